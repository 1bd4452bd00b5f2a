/** The server's own metrics: as they are now, and over the last hour from what the server has stored of them. */

import { queryRange } from "../api.ts";
import { parseValue } from "../number.ts";
import type { Labels } from "../series.ts";
import { layOut } from "../query/matrix.ts";

export interface OwnSample {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

/** The samples of a text exposition; comments and lines that are no samples are passed over. */
export function parseExposition(text: string): OwnSample[] {
  return text.split("\n").flatMap((line) => {
    const found = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})?\s+(\S+)/.exec(line);
    if (found === null) return [];
    const [, name = "", labels = "", value = ""] = found;
    return [{ name, labels: parseLabels(labels), value: parseValue(value) }];
  });
}

function parseLabels(text: string): Labels {
  const labels: Record<string, string> = {};
  for (const [, name = "", value = ""] of text.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)) {
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
  }
  return labels;
}

/** The metrics of one moment, asked for by name. */
export class OwnMetrics {
  constructor(private readonly samples: readonly OwnSample[]) {}

  /** The sum over all label sets; nothing when there is no such metric. */
  sum(name: string): number | undefined {
    const found = this.all(name);
    return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
  }

  all(name: string): readonly OwnSample[] {
    return this.samples.filter((sample) => sample.name === name);
  }
}

export interface History {
  readonly times: readonly number[];
  readonly values: readonly (number | null)[];
}

const HISTORY = 3600;
const HISTORY_STEP = 30;

/** The first series of a query over the last hour; nothing when there is none. */
export async function historyOf(query: string, signal: AbortSignal): Promise<History | undefined> {
  const end = Math.floor(Date.now() / 1000 / HISTORY_STEP) * HISTORY_STEP;
  const steps = { start: end - HISTORY, end, step: HISTORY_STEP };
  const { data } = await queryRange(query, steps, signal);
  const grid = layOut(steps, [data.result]);
  const first = grid.series[0];
  return first === undefined ? undefined : { times: grid.times, values: first.values };
}
