/** How the server is: what it takes in, what it holds, what it refused and what it is busy with. */

import type { ComponentChildren } from "preact";

import { type ActiveQuery, ownMetrics, type PartitionStatus, type Rejection, type RuntimeInfo, type SlowQuery, status } from "../api.ts";
import { bytes, count, percent, plural, shortNumber } from "../number.ts";
import { type Loaded, useLoaded, useTicks } from "../parts/loading.ts";
import { Notice } from "../parts/notice.tsx";
import { Tile } from "../parts/tile.tsx";
import { formatClock, formatTime, roughDuration } from "../time.ts";
import { queryLink } from "../view.ts";
import { type History, historyOf, OwnMetrics, parseExposition } from "./own_metrics.ts";

const INGEST = "sum(rate(chronoxide_ingest_samples_total[1m]))";
const MEMORY = "process_resident_memory_bytes";
const CPU = "rate(process_cpu_seconds_total[1m])";
const QUERIES = 'sum(rate(chronoxide_http_requests_total{handler=~".*/query(_range)?"}[1m]))';
const DISK = "chronoxide_parts_bytes + chronoxide_wal_bytes";

const EVERY = 10;

export function StatusPage() {
  const tick = useTicks(EVERY);
  const metrics = useLoaded(async (signal) => new OwnMetrics(parseExposition(await ownMetrics(signal))), [tick]);
  const runtime = useLoaded((signal) => status<RuntimeInfo>("runtimeinfo", signal), [tick]);
  const build = useLoaded((signal) => status<{ chronoxideVersion?: string }>("buildinfo", signal), []);
  const now = metrics.data;
  return (
    <main class="status-page">
      <div class="page-head">
        <h1>Status</h1>
        <Facts runtime={runtime.data?.data} version={build.data?.data.chronoxideVersion} />
      </div>
      {metrics.error !== undefined && <Notice kind="error">{metrics.error}</Notice>}
      {now?.sum("chronoxide_out_of_space") === 1 && (
        <Notice kind="error">The disk is full: writes are refused until there is room. Reads go on.</Notice>
      )}
      {(now?.sum("chronoxide_files_quarantined_total") ?? 0) > 0 && (
        <Notice kind="warning">
          Damaged files were set aside in the data directory; the log names them, and <code>chronoxide check</code> tells more.
        </Notice>
      )}
      {now !== undefined && <Tiles now={now} tick={tick} runtime={runtime.data?.data} />}
      <div class="status-columns">
        <div>
          <Partitions tick={tick} retention={runtime.data?.data.storageRetention} />
          <Rejections tick={tick} now={now} />
          <Settings />
        </div>
        <div>
          <ActiveQueries tick={tick} />
          <SlowQueries tick={tick} />
        </div>
      </div>
    </main>
  );
}

function Facts({ runtime, version }: { readonly runtime: RuntimeInfo | undefined; readonly version: string | undefined }) {
  if (runtime === undefined) return null;
  const started = new Date(runtime.startTime).getTime();
  const up = (new Date(runtime.serverTime).getTime() - started) / 1000;
  return (
    <p class="muted facts">
      {version !== undefined && <span>chronoxide {version}</span>}
      <span title={formatTime(started / 1000)}>up {roughDuration(up)}</span>
      <span>{runtime.hostname}</span>
      <span>{runtime.CWD}</span>
    </p>
  );
}

function useHistory(query: string, tick: number): History | undefined {
  // A line of an hour need not be asked for as often as the numbers.
  return useLoaded((signal) => historyOf(query, signal), [query, Math.floor(tick / 3)]).data;
}

interface TilesProps {
  readonly now: OwnMetrics;
  readonly tick: number;
  readonly runtime: RuntimeInfo | undefined;
}

function Tiles({ now, tick, runtime }: TilesProps) {
  const [ingest, memory, cpu, queries, disk] = [INGEST, MEMORY, CPU, QUERIES, DISK].map((query) => useHistory(query, tick));
  const of = (name: string): number => now.sum(name) ?? NaN;
  const last = (history: History | undefined): number => history?.values.findLast((value) => value !== null) ?? NaN;
  const rate = (history: History | undefined): string => (Number.isNaN(last(history)) ? "–" : shortNumber(last(history)));
  const link = (query: string): string => queryLink(query, undefined, { range: { last: 3600 } });
  const budget = runtime?.GOMEMLIMIT || undefined;
  const diskBytes = of("chronoxide_parts_bytes") + of("chronoxide_wal_bytes");
  const free = of("chronoxide_disk_free_bytes");
  const stored = of("chronoxide_parts_samples");
  const newest = now.sum("chronoxide_newest_sample_timestamp_seconds");
  return (
    <div class="tiles">
      <Tile title="Samples taken in" value={`${rate(ingest)}/s`} history={ingest?.values} href={link(INGEST)} note={freshness(newest)} />
      <Tile
        title="Memory"
        value={bytes(of(MEMORY))}
        share={budget === undefined ? undefined : of(MEMORY) / budget}
        note={budget === undefined ? undefined : `of ${bytes(budget)} budget`}
        history={memory?.values}
        href={link(MEMORY)}
      />
      <Tile title="CPU" value={percent(last(cpu))} note={runtime === undefined ? undefined : `of one core; there are ${runtime.GOMAXPROCS}`} history={cpu?.values} href={link(CPU)} />
      <Tile title="Queries" value={`${rate(queries)}/s`} note={`${count(of("chronoxide_queries_running"))} running`} history={queries?.values} href={link(QUERIES)} />
      <Tile
        title="Active series"
        value={count(of("chronoxide_series"))}
        share={of("chronoxide_series") / of("chronoxide_series_limit")}
        note={`of ${count(of("chronoxide_series_limit"))} allowed`}
        href="#/cardinality"
      />
      <Tile title="In memory" value={`${shortNumber(of("chronoxide_head_samples"))} samples`} note={`${bytes(of("chronoxide_head_bytes"))} before they are flushed`} />
      <Tile
        title="On disk"
        value={bytes(diskBytes)}
        share={diskBytes / (diskBytes + free)}
        history={disk?.values}
        note={`${bytes(free)} free${stored > 0 ? ` · ${shortNumber(of("chronoxide_parts_bytes") / stored, 3)} B a sample` : ""}`}
        href={link(DISK)}
      />
      <Tile
        title="Write-ahead log"
        value={bytes(of("chronoxide_wal_bytes"))}
        note={`${plural(of("chronoxide_wal_segments"), "segment")} · sync ${meanSync(now)}`}
        href={link("chronoxide_wal_bytes")}
      />
    </div>
  );
}

function freshness(newest: number | undefined): string | undefined {
  if (newest === undefined) return "no samples yet";
  const age = Date.now() / 1000 - newest;
  return age < 1 ? "newest just now" : `newest ${roughDuration(age)} ago`;
}

function meanSync(now: OwnMetrics): string {
  const mean = (now.sum("chronoxide_wal_sync_duration_seconds_total") ?? 0) / (now.sum("chronoxide_wal_syncs_total") ?? 0);
  return Number.isFinite(mean) ? roughDuration(mean) : "–";
}

interface SectionProps<T> {
  readonly title: string;
  readonly hint?: string;
  readonly loaded: Loaded<{ readonly data: readonly T[] }>;
  readonly none: string;
  readonly children: (items: readonly T[]) => ComponentChildren;
}

/** A list from one endpoint. */
function Section<T>({ title, hint, loaded, none, children }: SectionProps<T>) {
  const items = loaded.data?.data;
  return (
    <section class="surface status-section">
      <h2>{title}</h2>
      {hint !== undefined && <p class="faint">{hint}</p>}
      {loaded.error !== undefined && <Notice kind="error">{loaded.error}</Notice>}
      {items !== undefined && (items.length === 0 ? <p class="muted">{none}</p> : <div class="scroll">{children(items)}</div>)}
    </section>
  );
}

function Partitions({ tick, retention }: { readonly tick: number; readonly retention: string | undefined }) {
  const loaded = useLoaded((signal) => status<readonly PartitionStatus[]>("partitions", signal), [tick]);
  const hint = retention === undefined ? undefined : `Kept for ${retention}. A partition goes when all of it is older.`;
  return (
    <Section title="Disk by partition" {...(hint === undefined ? {} : { hint })} loaded={loaded} none="Nothing was flushed to disk yet; samples are in memory and in the write-ahead log.">
      {(partitions) => {
        const most = Math.max(...partitions.map((one) => one.bytes), 1);
        return (
          <table class="data">
            <thead>
              <tr>
                <th scope="col">From (UTC)</th>
                <th scope="col" class="number">Parts</th>
                <th scope="col" class="number">Samples</th>
                <th scope="col" class="number">Size</th>
                <th scope="col" class="number wide">Bytes a sample</th>
                <th scope="col" class="bar-cell" aria-label="Share" />
              </tr>
            </thead>
            <tbody>
              {partitions.map((one) => (
                <tr key={one.start}>
                  <td>{utcDay(one)}</td>
                  <td class="number">{count(one.parts)}</td>
                  <td class="number">{shortNumber(one.samples)}</td>
                  <td class="number">{bytes(one.bytes)}</td>
                  <td class="number wide">{one.samples > 0 ? shortNumber(one.bytes / one.samples, 3) : "–"}</td>
                  <td class="bar-cell">
                    <span class="bar">
                      <span style={{ width: `${(100 * one.bytes) / most}%` }} />
                    </span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        );
      }}
    </Section>
  );
}

/** A day, or the hours of a partition that is shorter. */
function utcDay({ start, end }: PartitionStatus): string {
  const text = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
  return end - start >= 86_399 ? text(start).slice(0, 10) : text(start);
}

function Rejections({ tick, now }: { readonly tick: number; readonly now: OwnMetrics | undefined }) {
  const loaded = useLoaded((signal) => status<readonly Rejection[]>("rejections", signal), [tick]);
  const totals = now?.all("chronoxide_ingest_rejected_samples_total") ?? [];
  return (
    <Section title="Samples refused lately" loaded={loaded} none="None since the start.">
      {(rejections) => (
        <>
          <p class="totals">
            {totals.map(({ labels, value }) => (
              <span key={JSON.stringify(labels)}>
                {labels["protocol"]}: {labels["reason"]} <b>{count(value)}</b>
              </span>
            ))}
          </p>
          <table class="data">
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Series and reason</th>
                <th scope="col" class="number">Samples</th>
              </tr>
            </thead>
            <tbody>
              {rejections.map((one, index) => (
                <tr key={index}>
                  <td class="nowrap" title={formatTime(one.time)}>
                    {formatClock(one.time)}
                  </td>
                  <td>
                    <code>{one.series}</code>
                    <div>
                      {one.reason} <span class="faint">by {one.protocol}: {withDates(one.detail)}</span>
                    </div>
                  </td>
                  <td class="number">{count(one.samples)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </Section>
  );
}

/** Times in milliseconds as dates. */
function withDates(text: string): string {
  return text.replace(/-?\d{10,} ms/g, (ms) => formatTime(parseInt(ms, 10) / 1000));
}

function Settings() {
  const flags = useLoaded((signal) => status<Readonly<Record<string, string>>>("flags", signal), []);
  return (
    <section class="surface status-section">
      <details>
        <summary>Settings</summary>
        {flags.error !== undefined && <Notice kind="error">{flags.error}</Notice>}
        <table class="data">
          <tbody>
            {Object.entries(flags.data?.data ?? {}).map(([name, value]) => (
              <tr key={name}>
                <td>
                  <code>{name}</code>
                </td>
                <td>
                  <code>{value}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}

function ActiveQueries({ tick }: { readonly tick: number }) {
  const loaded = useLoaded((signal) => status<readonly ActiveQuery[]>("active_queries", signal), [tick]);
  return (
    <Section title="Queries under way" loaded={loaded} none="None at this moment.">
      {(queries) => (
        <QueryTable
          head="Running"
          rows={queries.map((query) => ({ ...query, time: roughDuration(query.runningMs / 1000), note: "" }))}
        />
      )}
    </Section>
  );
}

function SlowQueries({ tick }: { readonly tick: number }) {
  const loaded = useLoaded((signal) => status<readonly SlowQuery[]>("slow_queries", signal), [tick]);
  return (
    <Section title="Slowest queries of the last hour" loaded={loaded} none="None was asked.">
      {(queries) => (
        <QueryTable
          head="Took"
          rows={queries.map((query) => ({ ...query, time: query.durationMs < 1 ? "< 1 ms" : roughDuration(query.durationMs / 1000), note: noteOf(query) }))}
        />
      )}
    </Section>
  );
}

function noteOf({ time, samples, series, error, queueMs }: SlowQuery): string {
  const facts = [
    formatTime(time).slice(11),
    ...(samples === undefined ? [] : [`${shortNumber(samples)} samples`]),
    ...(series === undefined ? [] : [`${shortNumber(series)} series`]),
    ...(queueMs > 0 ? [`waited ${roughDuration(queueMs / 1000)}`] : []),
    ...(error === undefined ? [] : [error]),
  ];
  return facts.join(" · ");
}

interface QueryRow {
  readonly query: string;
  readonly start: number;
  readonly end: number;
  readonly step: number;
  readonly time: string;
  readonly note: string;
}

function QueryTable({ head, rows }: { readonly head: string; readonly rows: readonly QueryRow[] }) {
  return (
    <table class="data">
      <thead>
        <tr>
          <th scope="col">Query</th>
          <th scope="col" class="number">
            {head}
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row, index) => (
          <tr key={index}>
            <td>
              <a href={linkOf(row)}>
                <code>{row.query}</code>
              </a>
              <div class="faint">
                {row.step > 0 ? `over ${roughDuration(row.end - row.start)}, step ${roughDuration(row.step)}` : "at one time"}
                {row.note !== "" && ` · ${row.note}`}
              </div>
            </td>
            <td class="number">{row.time}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function linkOf({ query, start, end, step }: QueryRow): string {
  const range = step > 0 && end > start ? { from: start, to: end } : { last: 3600 };
  return queryLink(query, undefined, { range });
}
