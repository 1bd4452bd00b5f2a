/** The graph of a view's results, with its legend. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { plural } from "../number.ts";
import { Empty, Notice } from "../parts/notice.tsx";
import { seriesText } from "../series.ts";
import { formatDuration, formatTime, type Span } from "../time.ts";
import { type Drawing, letterOf } from "../view.ts";
import { commonUnit, COUNT, perSecond } from "../unit.ts";
import { heatOf, hasHistograms, wantsHeatmap } from "./heat.ts";
import { HeatGraph } from "./heat_graph.tsx";
import { Legend, type LegendHandle } from "./legend.tsx";
import { LineGraph } from "./line_graph.tsx";
import { type Grid, layOut } from "./matrix.ts";
import type { Results } from "./run.ts";

interface GraphProps {
  readonly results: Results;
  readonly drawing: Drawing | undefined;
  readonly dark: boolean;
  readonly onChoose: (span: Span) => void;
  readonly onWiden: () => void;
  readonly onDrawing: (drawing: Drawing) => void;
}

/** How the graph is drawn unless someone chose: buckets make a heatmap, all else lines. */
function usualDrawing(grid: Grid): Drawing {
  const onlyBuckets = grid.series.length > 1 && grid.series.every(({ labels }) => labels["le"] !== undefined);
  return wantsHeatmap(grid) || onlyBuckets ? "heatmap" : "lines";
}

export function Graph({ results, drawing, dark, onChoose, onWiden, onDrawing }: GraphProps) {
  const grid = useMemo(
    () => layOut(results.steps, results.outcomes.map((outcome) => outcome?.matrix?.data.result)),
    [results],
  );
  if (grid.series.length + grid.histograms.length === 0) return <NoSeries results={results} />;
  const possible = hasHistograms(grid);
  const wished = drawing ?? usualDrawing(grid);
  const drawn = wished === "heatmap" && !possible ? "lines" : wished;
  return (
    <>
      <div class="graph-bar">
        <div class="segments" role="group" aria-label="Kind of graph">
          <Segment name="lines" title="Lines" drawn={drawn} onDrawing={onDrawing} />
          <Segment name="stacked" title="Stacked" drawn={drawn} onDrawing={onDrawing} />
          {possible && <Segment name="heatmap" title="Heatmap" drawn={drawn} onDrawing={onDrawing} />}
        </div>
        <span class="faint graph-facts">
          {grid.series.length + grid.histograms.length} series · step {formatDuration(results.steps.step)}
          {results.exemplars.length > 0 && ` · ${plural(results.exemplars.length, "exemplar")}`}
        </span>
      </div>
      {drawn === "heatmap" ? (
        <Heatmap grid={grid} results={results} dark={dark} onChoose={onChoose} onWiden={onWiden} />
      ) : (
        <Lines grid={grid} results={results} stacked={drawn === "stacked"} dark={dark} onChoose={onChoose} onWiden={onWiden} />
      )}
    </>
  );
}

interface SegmentProps {
  readonly name: Drawing;
  readonly title: string;
  readonly drawn: Drawing;
  readonly onDrawing: (drawing: Drawing) => void;
}

function Segment({ name, title, drawn, onDrawing }: SegmentProps) {
  return (
    <button type="button" aria-pressed={name === drawn} onClick={() => onDrawing(name)}>
      {title}
    </button>
  );
}

interface DrawingProps {
  readonly grid: Grid;
  readonly results: Results;
  readonly dark: boolean;
  readonly onChoose: (span: Span) => void;
  readonly onWiden: () => void;
}

function Heatmap({ grid, results, ...rest }: DrawingProps) {
  const heat = useMemo(() => heatOf(grid), [grid]);
  if (heat.bounds.length < 2) return <Empty title="All buckets are empty in this range" />;
  const units = [...grid.histograms, ...grid.series].map(({ expression }) => results.units[expression]);
  const isRate = units.length > 0 && units.every((unit) => unit?.value?.perSecond === true);
  const others = grid.series.filter(({ labels }) => labels["le"] === undefined).length;
  return (
    <>
      <HeatGraph
        heat={heat}
        step={results.steps.step}
        boundsUnit={commonUnit(units.map((unit) => unit?.bounds))}
        countUnit={isRate ? perSecond(COUNT) : COUNT}
        exemplars={results.exemplars}
        {...rest}
      />
      {heat.merged > 1 && <Notice kind="info">{heat.merged} histograms are added up here; select fewer to see one alone.</Notice>}
      {others > 0 && <Notice kind="info">{others} series without buckets are not drawn; choose lines to see them.</Notice>}
    </>
  );
}

function Lines({ grid, results, stacked, ...rest }: DrawingProps & { readonly stacked: boolean }) {
  const names = useMemo(
    () => grid.series.map(({ labels, expression }) => nameOf(seriesText(labels), results.outcomes[expression]?.text)),
    [grid],
  );
  const units = useMemo(() => grid.series.map(({ expression }) => results.units[expression]?.value), [grid]);
  const keys = useMemo(() => names.map((name, row) => `${letterOf(grid.series[row]?.expression ?? 0)} ${name}`), [names]);
  const several = new Set(grid.series.map(({ expression }) => expression)).size > 1;
  const [shown, setShown] = useShown(keys);
  const [focused, setFocused] = useState<number>();
  const legend = useRef<LegendHandle>(null);
  return (
    <>
      {grid.histograms.length > 0 && (
        <Notice kind="info">
          {grid.histograms.length} series of native histograms are not drawn as lines; choose the heatmap, or ask for one number of
          them with histogram_quantile().
        </Notice>
      )}
      {grid.series.length > 0 && (
        <>
          <LineGraph
            grid={grid}
            names={several ? keys : names}
            units={units}
            shown={shown}
            stacked={stacked}
            exemplars={results.exemplars}
            focused={focused}
            onCursor={(index) => legend.current?.setCursor(index)}
            {...rest}
          />
          <Legend grid={grid} names={names} units={units} shown={shown} dark={rest.dark} handle={legend} several={several} onShown={setShown} onFocus={setFocused} />
        </>
      )}
    </>
  );
}

function nameOf(series: string, expression: string | undefined): string {
  return series === "{}" ? (expression ?? series) : series;
}

/** Which series are shown; what was hidden stays hidden when newer data of the same series comes. */
function useShown(keys: readonly string[]): [readonly boolean[], (shown: readonly boolean[]) => void] {
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    // Series that are all hidden, as after another query, would leave an empty graph.
    if (keys.length > 0 && keys.every((key) => hidden.has(key))) setHidden(new Set());
  }, [keys]);
  const shown = useMemo(() => keys.map((key) => !hidden.has(key)), [keys, hidden]);
  const setShown = (next: readonly boolean[]): void => setHidden(new Set(keys.filter((_, index) => next[index] !== true)));
  return [shown, setShown];
}

function NoSeries({ results }: { readonly results: Results }) {
  const answered = results.outcomes.filter((outcome) => outcome?.matrix !== undefined);
  if (answered.length === 0) return null;
  const asksRate = answered.some((outcome) => /\b(i?rate|increase|delta|deriv)\s*\(/.test(outcome?.text ?? ""));
  const { start, end } = results.steps;
  return (
    <Empty title="No series in this range">
      <p>
        Nothing matched between {formatTime(start)} and {formatTime(end)}.
      </p>
      {asksRate && <p>A rate takes two samples within its window: right after the start, or with a window as short as the interval of samples, there is none.</p>}
    </Empty>
  );
}
