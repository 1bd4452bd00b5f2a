/** Answers to range queries, laid out on the grid of their steps. */

import type { MatrixSeries, NativeHistogram, Steps } from "../api.ts";
import { parseValue } from "../number.ts";
import type { Labels } from "../series.ts";

/** A series with a place for every step; `null` where it has no value. */
export interface GridSeries {
  readonly labels: Labels;
  /** Which expression it answers. */
  readonly expression: number;
  readonly values: (number | null)[];
}

/** A series of native histograms with a place for every step. */
export interface GridHistograms {
  readonly labels: Labels;
  readonly expression: number;
  readonly histograms: (NativeHistogram | null)[];
}

export interface Grid {
  readonly steps: Steps;
  /** Unix seconds of each step. */
  readonly times: number[];
  readonly series: GridSeries[];
  readonly histograms: GridHistograms[];
}

/** The times of the steps, both ends included. */
export function stepTimes({ start, end, step }: Steps): number[] {
  const length = Math.floor((end - start) / step + 1e-9) + 1;
  return Array.from({ length }, (_, index) => Math.round((start + index * step) * 1000) / 1000);
}

/** Lays the answers of several expressions on one grid. */
export function layOut(steps: Steps, answers: readonly (readonly MatrixSeries[] | undefined)[]): Grid {
  const times = stepTimes(steps);
  const grid: Grid = { steps, times, series: [], histograms: [] };
  const place = <T>(points: readonly (readonly [number, T])[]): (T | null)[] => {
    const places = new Array<T | null>(times.length).fill(null);
    for (const [time, value] of points) {
      const index = Math.round((time - steps.start) / steps.step);
      if (index >= 0 && index < places.length) places[index] = value;
    }
    return places;
  };
  answers.forEach((answer, expression) => {
    for (const { metric: labels, values, histograms } of answer ?? []) {
      if (values !== undefined) {
        const numbers = place(values).map((text) => (text === null ? null : finite(parseValue(text))));
        grid.series.push({ labels, expression, values: numbers });
      }
      if (histograms !== undefined) grid.histograms.push({ labels, expression, histograms: place(histograms) });
    }
  });
  return grid;
}

/** What cannot be drawn leaves a gap. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

export interface Summary {
  readonly last: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
}

export function summarize(values: readonly (number | null)[]): Summary {
  let [min, max, sum, counted] = [Infinity, -Infinity, 0, 0];
  let last: number | null = null;
  for (const value of values) {
    if (value === null) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
    counted += 1;
    last = value;
  }
  return counted === 0 ? { last: null, min: null, max: null, mean: null } : { last, min, max, mean: sum / counted };
}

/** Each series on top of those before it; a gap counts as nothing while others have values. */
export function stack(series: readonly (readonly (number | null)[])[]): (number | null)[][] {
  const length = series[0]?.length ?? 0;
  const below = new Array<number>(length).fill(0);
  return series.map((values) =>
    values.map((value, index) => {
      const sum = (below[index] ?? 0) + (value ?? 0);
      below[index] = sum;
      return value === null && sum === 0 ? null : sum;
    }),
  );
}
