/** Where series come from, and what to do when there are too many. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { queryAt, tsdbStatus } from "../api.ts";
import { bytes, count, parseValue, percent } from "../number.ts";
import { CountTable } from "../parts/count_table.tsx";
import { useLoaded, useTicks } from "../parts/loading.ts";
import { Empty, Notice } from "../parts/notice.tsx";
import { Tile } from "../parts/tile.tsx";
import { groupingText, matcherText } from "../series.ts";
import { formatView, queryLink } from "../view.ts";
import { historyOf } from "./own_metrics.ts";

const LIMITS: readonly number[] = [10, 20, 50, 100];

const SERIES_QUERY = "chronoxide_series";
const CHURN_QUERY = "sum(increase(chronoxide_series_created_total[1h]))";

/** A label with this many values is worth a look. */
const VALUES_MANY = 1000;
/** New series in an hour, measured against those there are, from which churn is worth a word. */
const CHURN_MUCH = 0.5;
const SHARE_MUCH = 0.25;

export function CardinalityPage() {
  const [limit, setLimit] = useState(10);
  const tick = useTicks(60);
  const { data, error } = useLoaded((signal) => tsdbStatus(limit, signal), [limit, tick]);
  const series = useLoaded((signal) => historyOf(SERIES_QUERY, signal), [tick]);
  const created = useLoaded((signal) => createdLastHour(signal), [tick]);
  const churning = useLoaded((signal) => historyOf(CHURN_QUERY, signal), [tick]);
  if (error !== undefined && data === undefined) return <main><Notice kind="error">{error}</Notice></main>;
  if (data === undefined) return <main aria-busy="true" />;
  const tsdb = data.data;
  const total = tsdb.headStats.numSeries;
  const churn = tsdb.seriesCreatedLastHour ?? created.data;
  const rejected = tsdb.seriesRejectedByMetricName ?? [];
  return (
    <main class="cardinality-page">
      <div class="page-head">
        <h1>Cardinality</h1>
        <label class="field">
          <span>Rows</span>
          <select value={limit} onChange={(event) => setLimit(Number(event.currentTarget.value))}>
            {LIMITS.map((rows) => (
              <option key={rows} value={rows}>
                {rows}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div class="tiles">
        <Tile
          title="Active series"
          value={count(total)}
          share={tsdb.seriesLimit === undefined ? undefined : total / tsdb.seriesLimit}
          note={tsdb.seriesLimit === undefined ? undefined : `of ${count(tsdb.seriesLimit)} allowed`}
          history={series.data?.values}
          href={queryLink(SERIES_QUERY, undefined, { range: { last: 3600 } })}
        />
        <Tile
          title="New in the last hour"
          value={churn === undefined ? "–" : count(churn)}
          history={churning.data?.values}
          note={churn === undefined || total === 0 ? undefined : `${percent(churn / total)} of the active ones`}
          href={queryLink(CHURN_QUERY, undefined, { range: { last: 21_600 } })}
        />
        <Tile title="Label pairs" value={count(tsdb.headStats.numLabelPairs)} note="distinct names with values" />
        <Tile
          title="Largest metric"
          value={percent((tsdb.seriesCountByMetricName[0]?.value ?? 0) / Math.max(1, total))}
          note={tsdb.seriesCountByMetricName[0]?.name ?? "none"}
        />
      </div>
      <Advice
        total={total}
        limit={tsdb.seriesLimit}
        churn={churn}
        metric={tsdb.seriesCountByMetricName[0]}
        label={tsdb.labelValueCountByLabelName.find(({ name }) => name !== "__name__")}
        rejected={rejected}
      />
      {total === 0 && <Empty title="No series are active" />}
      <div class="count-tables">
        <CountTable
          title="Metrics with the most series"
          hint="Each series costs memory while it is active. Click to see its labels."
          unit="Series"
          counts={tsdb.seriesCountByMetricName}
          total={total}
          link={(name) => `#/metrics?${new URLSearchParams({ metric: name })}`}
        />
        <CountTable
          title="Labels with the most values"
          hint="A label whose values never end (users, addresses, ids) makes series that never end."
          unit="Values"
          counts={tsdb.labelValueCountByLabelName}
          link={(name) => asTable(`topk(20, count by (${groupingText([name])}) (${anyWith(name)}))`)}
        />
        <CountTable
          title="Pairs that most series have"
          hint="Dropping a job or a target takes all of its series away."
          unit="Series"
          counts={tsdb.seriesCountByLabelValuePair}
          total={total}
          link={(pair) => {
            const [name = "", ...value] = pair.split("=");
            return asTable(`topk(20, count by (__name__) ({${matcherText(name, value.join("="))}}))`);
          }}
        />
        <CountTable
          title="Labels with the longest values"
          hint="Bytes of all distinct values together."
          unit="Bytes"
          counts={tsdb.memoryInBytesByLabelName}
          link={() => undefined}
          format={bytes}
        />
        {rejected.length > 0 && (
          <CountTable
            title="Metrics that were refused new series"
            hint="The limit of active series was reached. Series that are known keep their samples."
            unit="Refusals"
            counts={rejected}
            link={(name) => `#/metrics?${new URLSearchParams({ metric: name })}`}
          />
        )}
      </div>
    </main>
  );
}

async function createdLastHour(signal: AbortSignal): Promise<number | undefined> {
  const { data } = await queryAt(CHURN_QUERY, Date.now() / 1000, signal);
  const value = data.resultType === "vector" ? data.result[0]?.value?.[1] : undefined;
  return value === undefined ? undefined : parseValue(value);
}

function asTable(text: string): string {
  const query = { expressions: [{ text, hidden: false }], range: { last: 3600 }, step: undefined, refresh: undefined };
  return formatView({ page: "query", metric: "", query: { ...query, tab: "table", drawing: undefined, exemplars: false } });
}

function anyWith(label: string): string {
  return label === "__name__" ? '{__name__!=""}' : `{${matcherText(label, "", "!=")}}`;
}

interface AdviceProps {
  readonly total: number;
  readonly limit: number | undefined;
  readonly churn: number | undefined;
  readonly metric: { readonly name: string; readonly value: number } | undefined;
  readonly label: { readonly name: string; readonly value: number } | undefined;
  readonly rejected: readonly { readonly name: string; readonly label: string; readonly value: number }[];
}

/** What these numbers call for; nothing where all is well. */
function Advice({ total, limit, churn, metric, label, rejected }: AdviceProps) {
  const advice: ComponentChildren[] = [];
  const first = rejected[0];
  if (first !== undefined) {
    advice.push(
      <>
        New series of <code>{first.name}</code> were refused; its label <code>{first.label}</code> has the most values. Drop or
        shorten that label where the metric is sent, or raise <code>--series.limit</code>.
      </>,
    );
  } else if (limit !== undefined && total > 0.8 * limit) {
    advice.push(
      <>
        {percent(total / limit)} of the allowed series are active. Beyond the limit new series are refused: drop what nobody asks
        for, or raise <code>--series.limit</code> and <code>--memory.limit</code>.
      </>,
    );
  }
  if (metric !== undefined && total > VALUES_MANY && metric.value > SHARE_MUCH * total) {
    advice.push(
      <>
        <code>{metric.name}</code> alone makes {percent(metric.value / total)} of all series. If its detail is not needed, drop
        labels of it with a relabelling rule at the sender (<code>write_relabel_configs</code>, a Collector&apos;s processor).
      </>,
    );
  }
  if (label !== undefined && label.value > VALUES_MANY) {
    advice.push(
      <>
        The label <code>{label.name}</code> has {count(label.value)} values. Labels should have few: put ids and addresses into
        logs, traces or exemplars instead.
      </>,
    );
  }
  if (churn !== undefined && total > VALUES_MANY && churn > CHURN_MUCH * total) {
    advice.push(
      <>
        {count(churn)} series are new within an hour. A label that changes with each deployment or restart (pod, container or
        process ids) does that; replace it by one that stays.
      </>,
    );
  }
  if (advice.length === 0) return null;
  return (
    <section class="advice" aria-label="What to do">
      {advice.map((text, index) => (
        <Notice key={index} kind={index === 0 && rejected.length > 0 ? "warning" : "info"}>
          {text}
        </Notice>
      ))}
    </section>
  );
}
