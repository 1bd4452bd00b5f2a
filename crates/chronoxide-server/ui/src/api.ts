/** The HTTP API. Addresses are relative, so that the page works below any prefix. */

import type { Labels } from "./series.ts";

/** `[rule, lower, upper, count]`: rule 0 is open on the left, 1 on the right, 2 on both sides, 3 on none. */
export type Bucket = readonly [number, string, string, string];

export interface NativeHistogram {
  readonly count: string;
  readonly sum: string;
  readonly buckets?: readonly Bucket[];
}

export type Point = readonly [number, string];
export type HistogramPoint = readonly [number, NativeHistogram];

export interface MatrixSeries {
  readonly metric: Labels;
  readonly values?: readonly Point[];
  readonly histograms?: readonly HistogramPoint[];
}

export interface VectorSeries {
  readonly metric: Labels;
  readonly value?: Point;
  readonly histogram?: HistogramPoint;
}

export type QueryData =
  | { readonly resultType: "vector"; readonly result: readonly VectorSeries[] }
  | { readonly resultType: "matrix"; readonly result: readonly MatrixSeries[] }
  | { readonly resultType: "scalar" | "string"; readonly result: Point };

export interface MatrixData {
  readonly resultType: "matrix";
  readonly result: readonly MatrixSeries[];
}

/** Data, and what the server has to say about it. */
export interface Answer<T> {
  readonly data: T;
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
  /** How long the answer took, in milliseconds. */
  readonly took: number;
}

export interface ExemplarSeries {
  readonly seriesLabels: Labels;
  readonly exemplars: readonly { readonly labels: Labels; readonly value: string; readonly timestamp: number }[];
}

export interface Metadata {
  readonly type: string;
  readonly help: string;
  readonly unit: string;
}

export interface NamedCount {
  readonly name: string;
  readonly value: number;
}

export interface TsdbStatus {
  readonly headStats: {
    readonly numSeries: number;
    readonly numLabelPairs: number;
    readonly chunkCount: number;
    readonly minTime: number;
    readonly maxTime: number;
  };
  readonly seriesCountByMetricName: readonly NamedCount[];
  readonly labelValueCountByLabelName: readonly NamedCount[];
  readonly memoryInBytesByLabelName: readonly NamedCount[];
  readonly seriesCountByLabelValuePair: readonly NamedCount[];
  // What Prometheus does not have.
  readonly seriesLimit?: number;
  readonly seriesCreatedLastHour?: number;
  readonly seriesRejectedByMetricName?: readonly (NamedCount & { readonly label: string })[];
}

export interface ActiveQuery {
  readonly query: string;
  readonly kind: string;
  readonly startTime: string;
  readonly runningMs: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

export interface SlowQuery {
  readonly query: string;
  readonly kind: string;
  /** When it ended, Unix seconds. */
  readonly time: number;
  readonly durationMs: number;
  readonly queueMs: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
  readonly series?: number;
  readonly samples?: number;
  readonly error?: string;
}

export interface Rejection {
  /** Unix seconds. */
  readonly time: number;
  readonly protocol: string;
  readonly series: string;
  readonly reason: string;
  readonly detail: string;
  readonly samples: number;
}

export interface PartitionStatus {
  /** Unix seconds. */
  readonly start: number;
  readonly end: number;
  readonly parts: number;
  readonly bytes: number;
  readonly samples: number;
}

export interface RuntimeInfo {
  readonly startTime: string;
  readonly serverTime: string;
  readonly CWD: string;
  readonly hostname: string;
  readonly storageRetention: string;
  readonly GOMAXPROCS: number;
  /** The memory budget in bytes; Prometheus answers Go's here. */
  readonly GOMEMLIMIT: number;
}

/** An answer that is none: what the server, or the way to it, has to say. */
export class ApiError extends Error {
  constructor(
    /** `bad_data`, `execution`, ...; `network` when no answer came. */
    readonly kind: string,
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

type Parameters = readonly (readonly [string, string | number])[];

interface Envelope {
  readonly status?: string;
  readonly data?: unknown;
  readonly errorType?: string;
  readonly error?: string;
  readonly warnings?: readonly string[];
  readonly infos?: readonly string[];
}

async function request<T>(path: string, parameters: Parameters, init: RequestInit): Promise<Answer<T>> {
  const form = new URLSearchParams(parameters.map(([name, value]) => [name, String(value)]));
  const started = performance.now();
  const isPost = init.method === "POST";
  const url = isPost || parameters.length === 0 ? path : `${path}?${form}`;
  let response: Response;
  let envelope: Envelope;
  try {
    response = await fetch(url, isPost ? { ...init, body: form } : init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError("network", "the server does not answer", 0);
  }
  const text = await response.text();
  try {
    envelope = JSON.parse(text) as Envelope;
  } catch {
    const head = text.trim().split("\n")[0]?.slice(0, 200) ?? "";
    throw new ApiError("http", `${response.status} ${response.statusText} ${head}`.trim(), response.status);
  }
  if (envelope.status !== "success") {
    throw new ApiError(envelope.errorType ?? "http", envelope.error ?? response.statusText, response.status);
  }
  return {
    data: envelope.data as T,
    warnings: envelope.warnings ?? [],
    infos: envelope.infos ?? [],
    took: performance.now() - started,
  };
}

const API = "api/v1/";

function get<T>(path: string, parameters: Parameters = [], signal?: AbortSignal): Promise<Answer<T>> {
  return request<T>(API + path, parameters, signal ? { signal } : {});
}

function post<T>(path: string, parameters: Parameters, signal?: AbortSignal): Promise<Answer<T>> {
  return request<T>(API + path, parameters, signal ? { method: "POST", signal } : { method: "POST" });
}

/** Series beyond this many are not sent: no graph or table is readable with more. */
export const SERIES_MAX = 1000;

export function queryAt(query: string, time: number, signal?: AbortSignal): Promise<Answer<QueryData>> {
  return post("query", [["query", query], ["time", time], ["limit", SERIES_MAX]], signal);
}

export interface Steps {
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

export function queryRange(query: string, steps: Steps, signal?: AbortSignal): Promise<Answer<MatrixData>> {
  const { start, end, step } = steps;
  return post("query_range", [["query", query], ["start", start], ["end", end], ["step", step], ["limit", SERIES_MAX]], signal);
}

export function queryExemplars(
  query: string,
  start: number,
  end: number,
  signal?: AbortSignal,
): Promise<Answer<readonly ExemplarSeries[]>> {
  return post("query_exemplars", [["query", query], ["start", start], ["end", end]], signal);
}

export function metricNames(signal?: AbortSignal): Promise<Answer<readonly string[]>> {
  return get("label/__name__/values", [], signal);
}

export function metadata(signal?: AbortSignal): Promise<Answer<Readonly<Record<string, readonly Metadata[]>>>> {
  return get("metadata", [], signal);
}

/** What is known of one metric. */
export function metadataOf(metric: string): Promise<Answer<Readonly<Record<string, readonly Metadata[]>>>> {
  return get("metadata", [["metric", metric]]);
}

export function seriesOf(selector: string, limit: number, signal?: AbortSignal): Promise<Answer<readonly Labels[]>> {
  return post("series", [["match[]", selector], ["limit", limit]], signal);
}

export function tsdbStatus(limit: number, signal?: AbortSignal): Promise<Answer<TsdbStatus>> {
  return get("status/tsdb", [["limit", limit]], signal);
}

/** One of the small status endpoints. */
export function status<T>(name: string, signal?: AbortSignal): Promise<Answer<T>> {
  return get<T>(`status/${name}`, [], signal);
}

/** The text of the server's own metrics. */
export async function ownMetrics(signal?: AbortSignal): Promise<string> {
  const response = await fetch("metrics", signal ? { signal } : {});
  if (!response.ok) throw new ApiError("http", `${response.status} ${response.statusText}`, response.status);
  return response.text();
}

export function reasonOf(error: unknown): string {
  if (error instanceof ApiError) {
    return error.kind === "network" || error.kind === "http" ? error.message : `${error.kind}: ${error.message}`;
  }
  return error instanceof Error ? error.message : String(error);
}
