/** Histograms over time as cells: classic buckets (series with a label `le`) and native histograms alike. */

import type { NativeHistogram } from "../api.ts";
import { parseValue } from "../number.ts";
import { quantity, type Unit } from "../unit.ts";
import type { Grid, GridSeries } from "./matrix.ts";

/** One bucket of one step. */
export interface Cell {
  readonly lower: number;
  readonly upper: number;
  readonly count: number;
}

export interface Heat {
  readonly times: readonly number[];
  /** All bounds of buckets, ascending; a cell reaches from one to a later one. */
  readonly bounds: readonly number[];
  /** For each step its cells; empty buckets are left out. */
  readonly cells: readonly (readonly Cell[])[];
  readonly countMax: number;
  /** How many histograms were added up to make this one. */
  readonly merged: number;
}

/** Whether what was answered can be drawn as a heatmap. */
export function hasHistograms(grid: Grid): boolean {
  return grid.histograms.length > 0 || grid.series.some(isBucket);
}

/** Whether nothing but a heatmap shows what was answered. */
export function wantsHeatmap(grid: Grid): boolean {
  return grid.histograms.length > 0 && grid.series.length === 0;
}

function isBucket({ labels }: GridSeries): boolean {
  return labels["le"] !== undefined && !Number.isNaN(parseValue(labels["le"]));
}

/** All histograms of the grid added up. */
export function heatOf(grid: Grid): Heat {
  const steps: Map<string, Cell>[] = grid.times.map(() => new Map());
  const merged = addClassic(grid, steps) + addNative(grid, steps);
  const bounds = new Set<number>();
  let countMax = 0;
  const cells = steps.map((step) => {
    const filled = [...step.values()].filter(({ count }) => count > 0);
    for (const { lower, upper, count } of filled) {
      bounds.add(lower).add(upper);
      countMax = Math.max(countMax, count);
    }
    return filled.sort((a, b) => a.lower - b.lower);
  });
  return { times: grid.times, bounds: [...bounds].sort((a, b) => a - b), cells, countMax, merged };
}

function add(step: Map<string, Cell> | undefined, lower: number, upper: number, count: number): void {
  if (step === undefined || !Number.isFinite(count)) return;
  const key = `${lower} ${upper}`;
  step.set(key, { lower, upper, count: (step.get(key)?.count ?? 0) + count });
}

/** Classic buckets count everything below their bound: neighbours are subtracted. */
function addClassic(grid: Grid, steps: Map<string, Cell>[]): number {
  const groups = new Map<string, { bound: number; values: readonly (number | null)[] }[]>();
  for (const series of grid.series.filter(isBucket)) {
    const { le = "", __name__: _, ...rest } = series.labels;
    const key = JSON.stringify([series.expression, rest]);
    const group = groups.get(key) ?? [];
    groups.set(key, group);
    group.push({ bound: parseValue(le), values: series.values });
  }
  for (const group of groups.values()) {
    group.sort((a, b) => a.bound - b.bound);
    const first = group[0]?.bound ?? 0;
    grid.times.forEach((_, index) => {
      let below = 0;
      let lower = first > 0 ? 0 : -Infinity;
      for (const { bound, values } of group) {
        const value = values[index];
        if (value === null || value === undefined) continue;
        add(steps[index], lower, bound, value - below);
        // Rounding may leave a bucket a hair below the one before it.
        below = Math.max(below, value);
        lower = bound;
      }
    });
  }
  return groups.size;
}

function addNative(grid: Grid, steps: Map<string, Cell>[]): number {
  for (const { histograms } of grid.histograms) {
    histograms.forEach((histogram, index) => {
      if (histogram === null) return;
      for (const { lower, upper, count } of cellsOf(histogram)) add(steps[index], lower, upper, count);
    });
  }
  return grid.histograms.length;
}

/** The buckets of one native histogram. */
export function cellsOf(histogram: NativeHistogram): Cell[] {
  return (histogram.buckets ?? []).map(([, lower, upper, count]) => ({
    lower: parseValue(lower),
    upper: parseValue(upper),
    count: parseValue(count),
  }));
}

/** Where a value lies among the bounds, in bounds; between two of them in proportion. */
export function placeOf(bounds: readonly number[], value: number): number {
  const above = bounds.findIndex((bound) => bound >= value);
  if (above === -1) return bounds.length - 1;
  const upper = bounds[above] ?? 0;
  const lower = bounds[above - 1];
  if (lower === undefined || upper === value) return above;
  if (!Number.isFinite(upper) || !Number.isFinite(lower)) return above - 0.5;
  const share =
    lower > 0 ? Math.log(value / lower) / Math.log(upper / lower) : (value - lower) / (upper - lower);
  return above - 1 + share;
}

/** A cell's bounds as people read them. */
export function cellText({ lower, upper }: Cell, unit?: Unit): string {
  const text = (bound: number): string => quantity(bound, unit);
  if (upper === Infinity) return `> ${text(lower)}`;
  if (lower === -Infinity) return `≤ ${text(upper)}`;
  return `${text(lower)} – ${text(upper)}`;
}

/** The cell that a quantile falls into, to tell at a glance where most of a step lies. */
export function quantileCell(cells: readonly Cell[], quantile: number): Cell | undefined {
  const total = cells.reduce((sum, cell) => sum + cell.count, 0);
  let below = 0;
  for (const cell of cells) {
    below += cell.count;
    if (below >= total * quantile && total > 0) return cell;
  }
  return undefined;
}
