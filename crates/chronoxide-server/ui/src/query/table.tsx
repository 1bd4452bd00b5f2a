/** Instant vectors as tables, native histograms as bars. */

import { useMemo, useState } from "preact/hooks";

import type { NativeHistogram, QueryData, VectorSeries } from "../api.ts";
import { parseValue, percent, shortNumber } from "../number.ts";
import { Empty } from "../parts/notice.tsx";
import { commonLabels, SeriesName } from "../parts/series_name.tsx";
import { seriesText } from "../series.ts";
import { formatTime } from "../time.ts";
import { quantity, type Unit } from "../unit.ts";
import { cellsOf, cellText } from "./heat.ts";

const ROWS_FIRST = 200;

type Order = "answer" | "up" | "down";

interface ResultTableProps {
  readonly data: QueryData;
  readonly text: string;
  /** What the bounds of buckets are measured in. */
  readonly bounds: Unit | undefined;
}

export function ResultTable({ data, text, bounds }: ResultTableProps) {
  switch (data.resultType) {
    case "vector":
      return data.result.length === 0 ? <Empty title="No series at this time" /> : <VectorTable result={data.result} text={text} bounds={bounds} />;
    case "matrix":
      return <MatrixTable data={data} text={text} />;
    default:
      return (
        <table class="data">
          <tbody>
            <tr>
              <td>{data.resultType}</td>
              <td class="number value">{data.result[1]}</td>
            </tr>
          </tbody>
        </table>
      );
  }
}

interface VectorTableProps extends Omit<ResultTableProps, "data"> {
  readonly result: readonly VectorSeries[];
}

function VectorTable({ result, text, bounds }: VectorTableProps) {
  const [order, setOrder] = useState<Order>("answer");
  const [all, setAll] = useState(false);
  const common = useMemo(() => commonLabels(result.map(({ metric }) => metric)), [result]);
  const sorted = useMemo(() => inOrder(result, order), [result, order]);
  const rows = all ? sorted : sorted.slice(0, ROWS_FIRST);
  const next: Record<Order, Order> = { answer: "down", down: "up", up: "answer" };
  const sign: Record<Order, string> = { answer: "", down: " ↓", up: " ↑" };
  const ariaSort = { answer: "none", down: "descending", up: "ascending" } as const;
  return (
    <>
      <table class="data">
        <thead>
          <tr>
            <th scope="col">Series</th>
            <th scope="col" class="number" aria-sort={ariaSort[order]}>
              <button type="button" class="sort" onClick={() => setOrder(next[order])}>
                Value{sign[order]}
              </button>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ metric, value, histogram }) => (
            <tr key={seriesText(metric)}>
              <td>
                <SeriesName labels={metric} common={common} fallback={text} />
                {histogram !== undefined && <HistogramBars histogram={histogram[1]} unit={bounds} />}
              </td>
              <td class="number value">
                {value?.[1]}
                {histogram !== undefined && <span class="faint">histogram</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {sorted.length > rows.length && (
        <button type="button" class="more" onClick={() => setAll(true)}>
          Show {sorted.length - rows.length} more series
        </button>
      )}
    </>
  );
}

function inOrder(result: readonly VectorSeries[], order: Order): readonly VectorSeries[] {
  if (order === "answer") return result;
  const key = ({ value, histogram }: VectorSeries): number => parseValue(value?.[1] ?? histogram?.[1].count ?? "NaN");
  const sign = order === "up" ? 1 : -1;
  return [...result].sort((a, b) => sign * (key(a) - key(b)));
}

/** The buckets of one histogram, the widest bar for the fullest. */
export function HistogramBars({ histogram, unit }: { readonly histogram: NativeHistogram; readonly unit: Unit | undefined }) {
  const cells = cellsOf(histogram).sort((a, b) => a.lower - b.lower);
  const total = parseValue(histogram.count);
  const most = Math.max(...cells.map(({ count }) => count), 0);
  const mean = parseValue(histogram.sum) / total;
  return (
    <div class="histogram">
      <p class="faint">
        count {shortNumber(total)} · sum {quantity(parseValue(histogram.sum), unit)} · mean {quantity(mean, unit)}
      </p>
      <div class="bars">
        {cells.map((cell) => (
          <div class="bar-row" key={`${cell.lower} ${cell.upper}`}>
            <span class="number">{cellText(cell, unit)}</span>
            <span class="bar">
              <span style={{ width: `${(100 * cell.count) / most}%` }} />
            </span>
            <span class="number faint">
              {shortNumber(cell.count)} ({percent(cell.count / total)})
            </span>
          </div>
        ))}
      </div>
    </div>
  );
}

/** Newest samples of each series of a window; a browser cannot show a million. */
const SAMPLES_SHOWN = 100;

function newest<T>(samples: readonly T[] | undefined): readonly T[] {
  return samples?.slice(-SAMPLES_SHOWN) ?? [];
}

function earlier(samples: readonly unknown[] | undefined): number {
  return Math.max((samples?.length ?? 0) - SAMPLES_SHOWN, 0);
}

function Earlier({ count }: { readonly count: number }) {
  return count > 0 ? <div class="faint">{count} earlier ones, not shown</div> : null;
}

function MatrixTable({ data, text }: { readonly data: Extract<QueryData, { resultType: "matrix" }>; readonly text: string }) {
  if (data.result.length === 0) return <Empty title="No samples in this window" />;
  return (
    <table class="data">
      <thead>
        <tr>
          <th scope="col">Series</th>
          <th scope="col" class="number">
            Samples
          </th>
        </tr>
      </thead>
      <tbody>
        {data.result.slice(0, ROWS_FIRST).map(({ metric, values, histograms }) => (
          <tr key={seriesText(metric)}>
            <td>
              <SeriesName labels={metric} fallback={text} />
            </td>
            <td class="number value">
              <Earlier count={earlier(values) + earlier(histograms)} />
              {newest(values).map(([time, value]) => (
                <div key={time}>
                  {value} <span class="faint">{formatTime(time)}</span>
                </div>
              ))}
              {newest(histograms).map(([time, { count, sum }]) => (
                <div key={time}>
                  count {count}, sum {sum} <span class="faint">{formatTime(time)}</span>
                </div>
              ))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
