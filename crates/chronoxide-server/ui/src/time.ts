/** Durations as PromQL writes them, ranges of time, and times as people read them. Seconds everywhere. */

import type { Steps } from "./api.ts";

const UNITS: readonly (readonly [string, number])[] = [
  ["y", 31_536_000],
  ["w", 604_800],
  ["d", 86_400],
  ["h", 3600],
  ["m", 60],
  ["s", 1],
  ["ms", 0.001],
];

/** The seconds of a duration such as `1h30m`, or of a plain number; nothing when it is neither or not above zero. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) {
    const seconds = Number(trimmed);
    return seconds > 0 ? seconds : undefined;
  }
  if (!/^(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$/.test(trimmed)) return undefined;
  let seconds = 0;
  for (const [, count, unit] of trimmed.matchAll(/(\d+)(ms|[ywdhms])/g)) {
    const factor = UNITS.find(([name]) => name === unit)?.[1] ?? 0;
    seconds += Number(count) * factor;
  }
  return seconds > 0 ? seconds : undefined;
}

/** A duration as PromQL writes it: `1h30m`. */
export function formatDuration(seconds: number): string {
  let left = Math.round(seconds * 1000);
  let text = "";
  for (const [name, factor] of UNITS) {
    // Weeks and years only where nothing is left over: 8d says more than 1w1d.
    const unit = factor * 1000;
    if ((name === "w" || name === "y") && left % unit !== 0) continue;
    const count = Math.floor(left / unit);
    if (count > 0) text += `${count}${name}`;
    left -= count * unit;
  }
  return text === "" ? "0s" : text;
}

/** A duration in one or two units, for people. */
export function roughDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 360) / 10} h`;
  return `${Math.round(seconds / 8640) / 10} d`;
}

/** What a query asks about: the last so many seconds, or from one time to another. */
export type Range = { readonly last: number } | { readonly from: number; readonly to: number };

/** A range with its ends fixed. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export const RELATIVE_RANGES: readonly number[] = [
  300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000,
];

export function spanOf(range: Range, now: number): Span {
  return "last" in range ? { start: now - range.last, end: now } : { start: range.from, end: range.to };
}

export function lengthOf(range: Range): number {
  return "last" in range ? range.last : range.to - range.from;
}

/** The range moved by a share of its length; a range that would pass now ends there and follows it. */
export function shifted(range: Range, share: number, now: number): Range {
  const { start, end } = spanOf(range, now);
  const by = (end - start) * share;
  return end + by >= now ? { last: end - start } : { from: start + by, to: end + by };
}

/** The range made shorter or longer around its middle; one that ends now keeps its end. */
export function zoomed(range: Range, factor: number, now: number): Range {
  const length = Math.max(1, lengthOf(range) * factor);
  if ("last" in range) return { last: Math.round(length) };
  const middle = (range.from + range.to) / 2;
  const end = middle + length / 2;
  return end >= now ? { last: Math.round(length) } : { from: middle - length / 2, to: end };
}

export function isSameRange(a: Range, b: Range): boolean {
  return "last" in a ? "last" in b && a.last === b.last : !("last" in b) && a.from === b.from && a.to === b.to;
}

const STEPS: readonly number[] = [
  1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
];

/** The shortest round step with which `length` seconds have at most `points` points. */
export function stepFor(length: number, points: number): number {
  const exact = length / Math.max(1, points);
  return STEPS.find((step) => step >= exact) ?? Math.ceil(exact / 86_400) * 86_400;
}

const two = (number: number): string => String(number).padStart(2, "0");

/** Local date and time: `2026-11-21 14:03:05`. */
export function formatTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return String(seconds);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${formatClock(seconds)}`;
}

/** Local time of day: `14:03:05`. */
export function formatClock(seconds: number): string {
  const date = new Date(seconds * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** What an input for date and time takes. */
export function formatInput(seconds: number): string {
  return formatTime(seconds).replace(" ", "T");
}

/** The time of such an input. */
export function parseInput(text: string): number | undefined {
  const ms = new Date(text).getTime();
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

/** What the button of a range says. */
export function rangeText(range: Range): string {
  if ("last" in range) return `Last ${formatDuration(range.last)}`;
  const from = formatTime(range.from);
  const to = formatTime(range.to);
  return `${from} – ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to}`;
}

/** The times of a graph's points. They are multiples of the step, so that a graph that moves on does not flicker. */
export function stepsOf(range: Range, asked: number | undefined, width: number, now: number): Steps {
  const { start, end } = spanOf(range, now);
  const points = Math.min(600, Math.max(60, Math.round(width / 3)));
  // The server refuses more than 11,000 points.
  const step = Math.max(asked ?? stepFor(end - start, points), (end - start) / 11_000);
  const first = Math.ceil(start / step) * step;
  const last = Math.floor(end / step) * step;
  // A range that lies between two multiples shows its end.
  return first <= last ? { start: first, end: last, step } : { start: end, end, step };
}
