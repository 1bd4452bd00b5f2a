/** A series as it stands in legends and tables. */

import { type Labels, matcherText } from "../series.ts";

interface SeriesNameProps {
  readonly labels: Labels;
  /** Labels that all series beside it share; they step back. */
  readonly common?: ReadonlySet<string>;
  /** What stands for a series without labels. */
  readonly fallback?: string;
}

export function SeriesName({ labels, common, fallback }: SeriesNameProps) {
  const { __name__: name, ...rest } = labels;
  const own = Object.entries(rest).filter(([key]) => common?.has(key) !== true);
  const shared = Object.entries(rest).filter(([key]) => common?.has(key) === true);
  // What tells it from the others comes first; a series with nothing of its own keeps what it shares.
  const pairs = [...own, ...shared];
  const isFaint = (key: string): boolean => common?.has(key) === true && (own.length > 0 || name !== undefined);
  if (name === undefined && pairs.length === 0) return <span class="series">{fallback ?? "{}"}</span>;
  return (
    <span class="series">
      {name !== undefined && <span class="series-name">{name}</span>}
      {pairs.length > 0 && "{"}
      {pairs.map(([key, value], index) => (
        <span key={key} class={isFaint(key) ? "faint" : undefined}>
          {index > 0 && ", "}
          {matcherText(key, value)}
        </span>
      ))}
      {pairs.length > 0 && "}"}
    </span>
  );
}

/** Names of labels that all of several series have with one value. */
export function commonLabels(series: readonly Labels[]): Set<string> {
  const [first, ...others] = series;
  if (first === undefined || others.length === 0) return new Set();
  return new Set(Object.keys(first).filter((name) => others.every((labels) => labels[name] === first[name])));
}
