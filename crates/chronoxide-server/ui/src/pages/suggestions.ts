/** Queries that suit a metric. */

import { groupingText, selectorText } from "../series.ts";
import type { Drawing } from "../view.ts";

export interface Suggestion {
  readonly title: string;
  readonly text: string;
  readonly drawing: Drawing | undefined;
}

/** Labels that tell sources apart rather than kinds; a sum over all of them says most. */
const SOURCES: readonly string[] = ["instance", "job", "le", "quantile", "cluster", "pod", "host_name"];

/** Queries for the series of `name` that `matchers` select. */
export function suggestions(name: string, type: string, matchers: readonly string[], labels: readonly string[]): Suggestion[] {
  const selector = selectorText(name, matchers);
  const kind = labels.find((label) => !SOURCES.includes(label)) ?? labels.find((label) => label === "instance");
  const by = kind === undefined ? "" : ` by (${groupingText([kind])})`;
  const make = (title: string, text: string, drawing?: Drawing): Suggestion => ({ title, text, drawing });
  if (labels.includes("le") && name.endsWith("_bucket")) {
    return [
      make("Heatmap", `sum by (le) (rate(${selector}[5m]))`, "heatmap"),
      make("95th percentile", `histogram_quantile(0.95, sum by (le) (rate(${selector}[5m])))`),
    ];
  }
  if (type === "histogram" && !/_(count|sum)$/.test(name)) {
    return [
      make("Heatmap", `sum(rate(${selector}[5m]))`, "heatmap"),
      make("95th percentile", `histogram_quantile(0.95, sum(rate(${selector}[5m])))`),
      make("Observations per second", `histogram_count(sum(rate(${selector}[5m])))`),
    ];
  }
  if (type === "counter" || /_(total|count|sum|bucket)$/.test(name)) {
    const rate = `rate(${selector}[5m])`;
    return [
      make("Rate per second", rate),
      ...(kind === undefined ? [] : [make(`Rate by ${kind}`, `sum${by} (${rate})`)]),
      make("Increase in an hour", `sum(increase(${selector}[1h]))`),
    ];
  }
  return [
    make("Values", selector),
    ...(kind === undefined ? [] : [make(`Mean by ${kind}`, `avg${by} (${selector})`), make("The ten largest", `topk(10, ${selector})`)]),
  ];
}
