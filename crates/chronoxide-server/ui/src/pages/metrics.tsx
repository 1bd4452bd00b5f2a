/** The metrics that are stored: what they mean, which labels they have, and what to ask of them. */

import { useEffect, useMemo, useState } from "preact/hooks";

import { metadata, type Metadata, metricNames } from "../api.ts";
import { count } from "../number.ts";
import { useLoaded } from "../parts/loading.ts";
import { Empty, Notice } from "../parts/notice.tsx";
import { MetricDetails } from "./metric_details.tsx";

/** Names shown at once; a search narrows the others down. */
const NAMES_MAX = 400;

/** Endings of the series of a classic histogram or summary, whose metadata has the name without. */
const ENDINGS = /_(bucket|count|sum|total|created|info)$/;

interface MetricsPageProps {
  readonly metric: string;
  readonly onMetric: (metric: string) => void;
}

export function MetricsPage({ metric, onMetric }: MetricsPageProps) {
  const names = useLoaded((signal) => metricNames(signal), []);
  const known = useLoaded((signal) => metadata(signal), []);
  const [search, setSearch] = useState("");
  const [type, setType] = useState("");
  const about = (name: string): Metadata | undefined => metadataOf(known.data?.data ?? {}, name);
  const all = names.data?.data ?? [];
  const types = useMemo(() => [...new Set(all.map((name) => about(name)?.type ?? "unknown"))].sort(), [names.data, known.data]);
  const found = useMemo(() => {
    const words = search.toLowerCase().split(/\s+/).filter((word) => word !== "");
    return all.filter((name) => {
      const { type: its = "unknown", help = "" } = about(name) ?? {};
      const text = `${name} ${help}`.toLowerCase();
      return (type === "" || its === type) && words.every((word) => text.includes(word));
    });
  }, [names.data, known.data, search, type]);

  // On a phone the details take the place of the list.
  useEffect(() => {
    if (metric !== "") window.scrollTo(0, 0);
  }, [metric]);

  if (names.error !== undefined) return <main><Notice kind="error">{names.error}</Notice></main>;
  return (
    <main class={`metrics-page${metric === "" ? "" : " chosen"}`}>
      <section class="metrics-list surface" aria-label="Metrics">
        <h1>Metrics</h1>
        <div class="filters">
          <input
            type="search"
            value={search}
            placeholder="Search names and descriptions"
            aria-label="Search metrics"
            onInput={(event) => setSearch(event.currentTarget.value)}
          />
          <select value={type} aria-label="Type" onChange={(event) => setType(event.currentTarget.value)}>
            <option value="">all types</option>
            {types.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </div>
        <p class="faint" role="status">
          {found.length === all.length ? `${count(all.length)} metrics` : `${count(found.length)} of ${count(all.length)} metrics`}
        </p>
        <ul>
          {found.slice(0, NAMES_MAX).map((name) => (
            <li key={name}>
              <button type="button" aria-current={name === metric} onClick={() => onMetric(name)}>
                <span class="name">{name}</span>
                <span class="type">{about(name)?.type ?? ""}</span>
                <span class="help">{about(name)?.help ?? ""}</span>
              </button>
            </li>
          ))}
        </ul>
        {found.length > NAMES_MAX && <p class="faint">{count(found.length - NAMES_MAX)} more: search to find them.</p>}
        {found.length === 0 && !names.loading && <Empty title={all.length === 0 ? "No metrics are stored yet" : "No metric matches"} />}
      </section>
      <section class="metric-details surface" aria-label="Details">
        {metric === "" ? (
          <Empty title="Choose a metric">
            <p>Its meaning, its labels and queries that suit its type are shown here.</p>
          </Empty>
        ) : (
          <MetricDetails key={metric} name={metric} about={about(metric)} onBack={() => onMetric("")} />
        )}
      </section>
    </main>
  );
}

function metadataOf(known: Readonly<Record<string, readonly Metadata[]>>, name: string): Metadata | undefined {
  return (known[name] ?? known[name.replace(ENDINGS, "")])?.[0];
}
