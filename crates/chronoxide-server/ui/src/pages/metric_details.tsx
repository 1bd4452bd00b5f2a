/** One metric: its meaning, its labels with their values, and queries to click. */

import { useMemo, useState } from "preact/hooks";

import { type Metadata, seriesOf } from "../api.ts";
import { count, parseValue, percent } from "../number.ts";
import { Icon } from "../parts/icons.tsx";
import { useLoaded } from "../parts/loading.ts";
import { Notice } from "../parts/notice.tsx";
import { type Labels, matcherText, selectorText } from "../series.ts";
import { queryLink } from "../view.ts";
import { suggestions } from "./suggestions.ts";

/** Series that are looked at to find labels and values. */
const SERIES_MAX = 5000;
const VALUES_FIRST = 12;

interface MetricDetailsProps {
  readonly name: string;
  readonly about: Metadata | undefined;
  readonly onBack: () => void;
}

interface LabelValues {
  readonly name: string;
  /** Values with how many series have them, the most frequent first. */
  readonly values: readonly (readonly [string, number])[];
}

export function MetricDetails({ name, about, onBack }: MetricDetailsProps) {
  const [chosen, setChosen] = useState<Labels>({});
  const matchers = Object.entries(chosen).map(([label, value]) => matcherText(label, value));
  const selector = selectorText(name, matchers);
  const { data, error, loading } = useLoaded((signal) => seriesOf(selector, SERIES_MAX, signal), [selector]);
  const series = data?.data ?? [];
  const labels = useMemo(() => labelValues(series), [data]);
  const toggle = (label: string, value: string): void => {
    const { [label]: old, ...rest } = chosen;
    setChosen(old === value ? rest : { ...rest, [label]: value });
  };
  return (
    <>
      <button type="button" class="back" onClick={onBack}>
        <Icon name="left" /> All metrics
      </button>
      <h2 class="metric-name">{name}</h2>
      <p class="metric-facts">
        <span class="type">{about?.type ?? "unknown"}</span>
        {about !== undefined && about.unit !== "" && <span class="faint">unit: {about.unit}</span>}
        <span class="faint">
          {loading && data === undefined ? "…" : `${count(series.length)}${series.length >= SERIES_MAX ? " or more" : ""} series`}
        </span>
      </p>
      <p class={about === undefined || about.help === "" ? "faint" : ""}>
        {about === undefined || about.help === "" ? "Whoever sends it says nothing about its meaning." : about.help}
      </p>
      {error !== undefined && <Notice kind="error">{error}</Notice>}
      <h3>Queries</h3>
      <div class="suggestions">
        {suggestions(name, about?.type ?? "unknown", matchers, labels.map((label) => label.name)).map(({ title, text, drawing }) => (
          <a key={text} class="card" href={queryLink(text, undefined, { range: { last: 3600 }, drawing })}>
            <span class="card-title">{title}</span>
            <code>{text}</code>
          </a>
        ))}
      </div>
      <h3>
        Labels <span class="faint hint">click a value to narrow the queries down</span>
      </h3>
      {labels.length === 0 && !loading && <p class="faint">Its series have no labels.</p>}
      <dl class="labels">
        {labels.map((label) => (
          <LabelRow key={label.name} label={label} total={series.length} chosen={chosen[label.name]} onToggle={toggle} />
        ))}
      </dl>
    </>
  );
}

interface LabelRowProps {
  readonly label: LabelValues;
  readonly total: number;
  readonly chosen: string | undefined;
  readonly onToggle: (label: string, value: string) => void;
}

function LabelRow({ label, total, chosen, onToggle }: LabelRowProps) {
  const [all, setAll] = useState(false);
  const shown = all ? label.values : label.values.slice(0, VALUES_FIRST);
  return (
    <>
      <dt>
        <code>{label.name}</code>
        <span class="faint">{count(label.values.length)}</span>
      </dt>
      <dd>
        {shown.map(([value, series]) => (
          <button
            key={value}
            type="button"
            class="chip"
            aria-pressed={value === chosen}
            title={`${count(series)} series, ${percent(series / total)}`}
            onClick={() => onToggle(label.name, value)}
          >
            {value}
          </button>
        ))}
        {label.values.length > shown.length && (
          <button type="button" class="more" onClick={() => setAll(true)}>
            {count(label.values.length - shown.length)} more
          </button>
        )}
      </dd>
    </>
  );
}

/** Numbers, such as bounds of buckets, by size. */
function compareValues(a: string, b: string): number {
  const [numberA, numberB] = [parseValue(a), parseValue(b)];
  return Number.isNaN(numberA) || Number.isNaN(numberB) ? a.localeCompare(b, "en", { numeric: true }) : numberA - numberB;
}

function labelValues(series: readonly Labels[]): LabelValues[] {
  const counts = new Map<string, Map<string, number>>();
  for (const labels of series) {
    for (const [name, value] of Object.entries(labels)) {
      if (name === "__name__") continue;
      const values = counts.get(name) ?? new Map<string, number>();
      counts.set(name, values);
      values.set(value, (values.get(value) ?? 0) + 1);
    }
  }
  const found = [...counts].map(([name, values]) => ({
    name,
    values: [...values].sort(([a, countA], [b, countB]) => countB - countA || compareValues(a, b)),
  }));
  return found.sort((a, b) => a.name.localeCompare(b.name, "en"));
}
