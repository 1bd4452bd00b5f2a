/** Histograms over time: a column for each step, a cell for each bucket, the darker the more it counts. */

import uPlot from "uplot";
import { useEffect, useRef } from "preact/hooks";

import { percent } from "../number.ts";
import { useWidth } from "../parts/width.ts";
import { color } from "../theme.ts";
import { formatTime, type Span } from "../time.ts";
import { quantity, type Unit } from "../unit.ts";
import { axisLook, chooseRange, CURSOR, GRAPH_HEIGHT, timeAxis, Tooltip } from "./chart.ts";
import { exemplarAt, exemplarLines, exemplarMarks, type Exemplar } from "./exemplars.ts";
import { type Cell, cellText, type Heat, placeOf, quantileCell } from "./heat.ts";

interface HeatGraphProps {
  readonly heat: Heat;
  readonly step: number;
  /** What the bounds of buckets are measured in, and what is in them. */
  readonly boundsUnit: Unit | undefined;
  readonly countUnit: Unit | undefined;
  readonly exemplars: readonly Exemplar[];
  readonly dark: boolean;
  readonly onChoose: (span: Span) => void;
  readonly onWiden: () => void;
}

export function HeatGraph(props: HeatGraphProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const width = useWidth(host);
  const newest = useRef(props);
  newest.current = props;
  const { heat, dark, exemplars } = props;

  useEffect(() => {
    const element = host.current;
    if (element === null || width === 0) return undefined;
    const times = [...heat.times];
    const made = new uPlot(options(newest, width), [times, times.map(() => null)], element);
    plot.current = made;
    return () => {
      plot.current = undefined;
      made.destroy();
    };
  }, [heat, dark, exemplars, width === 0]);

  useEffect(() => {
    if (width > 0) plot.current?.setSize({ width, height: GRAPH_HEIGHT });
  }, [width]);

  const cells = heat.cells.reduce((sum, step) => sum + step.length, 0);
  return (
    <>
      <div class="plot" ref={host} onDblClick={props.onWiden} data-cells={cells} />
      <div class="heat-key">
        <span>0</span>
        <span class="heat-ramp" />
        <span>{quantity(heat.countMax, props.countUnit)} in a bucket</span>
      </div>
    </>
  );
}

function options(newest: { current: HeatGraphProps }, width: number): uPlot.Options {
  const { heat, boundsUnit, exemplars, step } = newest.current;
  const { bounds, times } = heat;
  const place = (value: number): number => placeOf(bounds, value);
  const first = times[0] ?? 0;
  const last = times[times.length - 1] ?? first;
  return {
    width,
    height: GRAPH_HEIGHT,
    padding: [10, 12, 0, 4],
    legend: { show: false },
    cursor: { ...CURSOR, points: { show: false } },
    scales: {
      x: { time: true, range: () => [first - step / 2, last + step / 2] },
      y: { range: () => [0, Math.max(1, bounds.length - 1)] },
    },
    axes: [timeAxis(), boundsAxis(bounds, boundsUnit)],
    series: [{}, { paths: () => null, points: { show: false } }],
    plugins: [
      cellsPlugin(newest),
      chooseRange((span) => newest.current.onChoose(span)),
      ...(exemplars.length > 0 ? [exemplarMarks(exemplars, place)] : []),
      tooltipPlugin(newest, place),
    ],
  };
}

/** Bounds stand at equal distances; every so many have a text. */
function boundsAxis(bounds: readonly number[], unit: Unit | undefined): uPlot.Axis {
  const every = Math.max(1, Math.ceil(bounds.length / 14));
  const marked = bounds.map((_, index) => index).filter((index) => index % every === 0);
  const text = (index: number): string => quantity(bounds[index] ?? NaN, unit, 3);
  const longest = marked.reduce((length, index) => Math.max(length, text(index).length), 3);
  return {
    ...axisLook(),
    size: 18 + longest * 6.4,
    splits: () => marked,
    values: (_, splits) => splits.map(text),
  };
}

function cellsPlugin(newest: { current: HeatGraphProps }): uPlot.Plugin {
  return {
    hooks: {
      draw: (self) => {
        const { heat, step } = newest.current;
        const { ctx, bbox } = self;
        // A hair of background keeps wide cells apart.
        const gap = bbox.width / Math.max(1, heat.times.length) > 9 * devicePixelRatio ? 1 : 0;
        const position = new Map(heat.bounds.map((bound, index) => [bound, index]));
        ctx.save();
        ctx.beginPath();
        ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
        ctx.clip();
        ctx.fillStyle = color("heat");
        heat.cells.forEach((cells, index) => {
          const time = heat.times[index] ?? 0;
          const left = Math.round(self.valToPos(time - step / 2, "x", true));
          const right = Math.round(self.valToPos(time + step / 2, "x", true));
          for (const cell of cells) {
            const bottom = self.valToPos(position.get(cell.lower) ?? 0, "y", true);
            const top = self.valToPos(position.get(cell.upper) ?? 0, "y", true);
            ctx.globalAlpha = strength(cell.count / heat.countMax);
            ctx.fillRect(left, Math.round(top), Math.max(1, right - left - gap), Math.max(1, Math.round(bottom) - Math.round(top) - gap));
          }
        });
        ctx.restore();
      },
    },
  };
}

/** Small counts must be seen beside large ones. */
function strength(share: number): number {
  return 0.1 + 0.9 * Math.sqrt(Math.max(0, share));
}

function tooltipPlugin(newest: { current: HeatGraphProps }, place: (value: number) => number): uPlot.Plugin {
  let tooltip: Tooltip | undefined;
  return {
    hooks: {
      init: (self) => {
        tooltip = new Tooltip(self.over);
      },
      setCursor: (self) => {
        const { left = -1, top = -1 } = self.cursor;
        const lines = left < 0 ? undefined : linesAt(self, newest.current, place);
        if (lines === undefined) tooltip?.hide();
        else tooltip?.show(left, top, lines);
      },
    },
  };
}

function linesAt(self: uPlot, props: HeatGraphProps, place: (value: number) => number): string[] | undefined {
  const { boundsUnit, countUnit } = props;
  const exemplar = exemplarAt(self, props.exemplars, place);
  if (exemplar !== undefined) return exemplarLines(exemplar);
  const { idx, top = -1 } = self.cursor;
  const cells = props.heat.cells[idx ?? -1] ?? [];
  if (cells.length === 0) return undefined;
  const height = self.posToVal(top, "y");
  const at = cells.find(({ lower, upper }) => height >= place(lower) && height < place(upper));
  const total = cells.reduce((sum, { count }) => sum + count, 0);
  const quantile = (share: number): string => {
    const cell: Cell | undefined = quantileCell(cells, share);
    return cell === undefined ? "–" : cellText(cell, boundsUnit);
  };
  return [
    ...(at === undefined ? [] : [`${cellText(at, boundsUnit)}: ${quantity(at.count, countUnit)} (${percent(at.count / total)})`]),
    `all: ${quantity(total, countUnit)}, median ${quantile(0.5)}, p99 ${quantile(0.99)}`,
    formatTime(props.heat.times[idx ?? -1] ?? 0),
  ];
}
