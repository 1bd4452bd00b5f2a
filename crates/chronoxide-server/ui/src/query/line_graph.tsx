/** Series as lines, one above the other or stacked. */

import uPlot from "uplot";
import { useEffect, useMemo, useRef } from "preact/hooks";

import { seriesColor } from "../theme.ts";
import { formatTime, type Span } from "../time.ts";
import { commonUnit, quantity, type Unit } from "../unit.ts";
import { chooseRange, CURSOR, GRAPH_HEIGHT, timeAxis, Tooltip, valueAxis } from "./chart.ts";
import { exemplarAt, exemplarLines, exemplarMarks, type Exemplar } from "./exemplars.ts";
import { type Grid, stack } from "./matrix.ts";
import { useWidth } from "../parts/width.ts";

interface LineGraphProps {
  readonly grid: Grid;
  readonly names: readonly string[];
  /** For each series what its values are measured in. */
  readonly units: readonly (Unit | undefined)[];
  /** For each series whether it is drawn. */
  readonly shown: readonly boolean[];
  readonly stacked: boolean;
  readonly exemplars: readonly Exemplar[];
  readonly dark: boolean;
  /** The series that stands out, because the legend's row of it is under the cursor. */
  readonly focused: number | undefined;
  readonly onChoose: (span: Span) => void;
  readonly onWiden: () => void;
  /** Called with the step under the cursor. */
  readonly onCursor: (index: number | undefined) => void;
}

export function LineGraph(props: LineGraphProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const width = useWidth(host);
  const newest = useRef(props);
  newest.current = props;
  const { grid, shown, stacked, dark, exemplars } = props;

  const data = useMemo((): uPlot.AlignedData => {
    const values = grid.series.map(({ values }) => values);
    if (!stacked) return [grid.times, ...values];
    // Hidden series are nothing to stand on.
    const heights = stack(values.map((one, index) => (shown[index] === true ? one : one.map(() => null))));
    return [grid.times, ...heights];
  }, [grid, stacked, stacked ? shown : undefined]);

  useEffect(() => {
    const element = host.current;
    if (element === null || width === 0) return undefined;
    const made = new uPlot(options(newest, width), data, element);
    plot.current = made;
    return () => {
      plot.current = undefined;
      made.destroy();
    };
  }, [data, dark, exemplars, width === 0]);

  useEffect(() => {
    if (width > 0) plot.current?.setSize({ width, height: GRAPH_HEIGHT });
  }, [width]);

  useEffect(() => {
    const made = plot.current;
    if (made === undefined) return;
    made.batch(() => shown.forEach((show, index) => made.series[index + 1]?.show !== show && made.setSeries(index + 1, { show })));
  }, [shown]);

  useEffect(() => {
    plot.current?.setSeries(props.focused === undefined ? null : props.focused + 1, { focus: true });
  }, [props.focused]);

  return <div class="plot" ref={host} onDblClick={props.onWiden} data-series={grid.series.length} />;
}

function options(newest: { current: LineGraphProps }, width: number): uPlot.Options {
  const { grid, units, shown, stacked, exemplars } = newest.current;
  const identity = (value: number): number => value;
  const { start, end, step } = grid.steps;
  return {
    width,
    height: GRAPH_HEIGHT,
    padding: [10, 12, 0, 4],
    legend: { show: false },
    cursor: { ...CURSOR, focus: { prox: 24 } },
    focus: { alpha: 0.25 },
    scales: {
      x: { time: true, range: () => [start, Math.max(end, start + step)] },
      y: { range: (_, min, max) => valueRange(min, max, stacked) },
    },
    axes: [timeAxis(), valueAxis(commonUnit(units))],
    series: [{}, ...grid.series.map((_, index) => lineOf(index, shown[index] === true, stacked, grid.series.length))],
    ...(stacked ? { bands: bandsOf(shown) } : {}),
    plugins: [
      chooseRange((span) => newest.current.onChoose(span)),
      ...(exemplars.length > 0 ? [exemplarMarks(exemplars, identity)] : []),
      cursorPlugin(newest),
    ],
  };
}

const SOME_ROOM: uPlot.Range.Limit = { pad: 0.08, soft: 0, mode: 3 };

/** From zero where that is near, or where areas tell amounts; with some room above. Nothing but zeros lies on the ground. */
function valueRange(min: number | null, max: number | null, fromZero: boolean): uPlot.Range.MinMax {
  if (min === null || max === null || (min === 0 && max === 0)) return [0, 1];
  const [low, high] = fromZero ? [Math.min(0, min), Math.max(0, max)] : [min, max];
  return uPlot.rangeNum(low, high, { min: SOME_ROOM, max: SOME_ROOM });
}

function lineOf(index: number, show: boolean, stacked: boolean, total: number): uPlot.Series {
  const stroke = seriesColor(index);
  const fill = stacked ? `${stroke}55` : total === 1 ? `${stroke}14` : undefined;
  return { show, stroke, width: 1.5, ...(fill === undefined ? {} : { fill }), spanGaps: false };
}

/** Each shown series is filled down to the shown one before it. */
function bandsOf(shown: readonly boolean[]): uPlot.Band[] {
  const drawn = shown.flatMap((show, index) => (show ? [index + 1] : []));
  return drawn.slice(1).map((upper, index) => ({ series: [upper, drawn[index] ?? 0] }));
}

/** Tells the legend where the cursor is, and names the series next to it. */
function cursorPlugin(newest: { current: LineGraphProps }): uPlot.Plugin {
  let tooltip: Tooltip | undefined;
  let nearest: number | null = null;
  return {
    hooks: {
      init: (self) => {
        tooltip = new Tooltip(self.over);
      },
      setSeries: (_, index) => {
        nearest = index;
      },
      setCursor: (self) => {
        const { idx, left = -1, top = -1 } = self.cursor;
        const isInside = idx !== null && idx !== undefined && left >= 0;
        newest.current.onCursor(isInside ? idx : undefined);
        const lines = isInside ? tooltipLines(self, newest.current, idx, nearest) : undefined;
        if (lines === undefined) tooltip?.hide();
        else tooltip?.show(left, top, lines);
      },
    },
  };
}

function tooltipLines(self: uPlot, props: LineGraphProps, index: number, nearest: number | null): (string | Node)[] | undefined {
  const exemplar = exemplarAt(self, props.exemplars, (value) => value);
  if (exemplar !== undefined) return exemplarLines(exemplar);
  const series = nearest ?? (props.grid.series.length === 1 ? 1 : null);
  if (series === null || series === 0) return undefined;
  const value = props.grid.series[series - 1]?.values[index];
  if (value === null || value === undefined) return undefined;
  const strong = document.createElement("b");
  strong.textContent = quantity(value, props.units[series - 1], 6);
  strong.style.color = seriesColor(series - 1);
  return [strong, props.names[series - 1] ?? "", formatTime(props.grid.times[index] ?? 0)];
}
