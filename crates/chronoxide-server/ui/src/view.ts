/** The view that a link restores: which page, and what it shows. It lives in the address after `#`. */

import { formatDuration, parseDuration, type Range } from "./time.ts";

export type PageName = "query" | "metrics" | "cardinality" | "status";

export const PAGES: readonly { readonly name: PageName; readonly title: string }[] = [
  { name: "query", title: "Query" },
  { name: "metrics", title: "Metrics" },
  { name: "cardinality", title: "Cardinality" },
  { name: "status", title: "Status" },
];

export interface Expression {
  readonly text: string;
  readonly hidden: boolean;
}

export type Tab = "graph" | "table";
export type Drawing = "lines" | "stacked" | "heatmap";

export interface QueryView {
  readonly expressions: readonly Expression[];
  readonly range: Range;
  /** Seconds; nothing lets the width of the graph decide. */
  readonly step: number | undefined;
  /** Seconds between two runs; nothing runs on demand only. */
  readonly refresh: number | undefined;
  readonly tab: Tab;
  /** Nothing lets the data decide. */
  readonly drawing: Drawing | undefined;
  readonly exemplars: boolean;
}

export interface View {
  readonly page: PageName;
  readonly query: QueryView;
  /** The metric that the metrics page shows. */
  readonly metric: string;
}

export const FIRST_QUERY: QueryView = {
  expressions: [{ text: "", hidden: false }],
  range: { last: 900 },
  step: undefined,
  refresh: undefined,
  tab: "graph",
  drawing: undefined,
  exemplars: false,
};

/** Expressions beyond this many are dropped from links: each costs a query. */
export const EXPRESSIONS_MAX = 12;

/** Seconds between two refreshes, at least. */
const REFRESH_MIN = 1;

/** How an expression is called where there are several: A, B, ... */
export function letterOf(index: number): string {
  return String.fromCharCode(65 + index);
}

const DRAWINGS: readonly string[] = ["lines", "stacked", "heatmap"];

/** The view of what follows `#` in an address; what makes no sense there is as if absent. */
export function parseView(hash: string): View {
  const [path = "", search = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const page = PAGES.find(({ name }) => name === path)?.name ?? "query";
  const form = new URLSearchParams(search);
  return { page, query: parseQuery(form), metric: form.get("metric") ?? "" };
}

function parseQuery(form: URLSearchParams): QueryView {
  const hidden = form.getAll("hide");
  const texts = form.getAll("expr").slice(0, EXPRESSIONS_MAX);
  const drawing = form.get("draw") ?? "";
  return {
    expressions:
      texts.length === 0
        ? FIRST_QUERY.expressions
        : texts.map((text, index) => ({ text, hidden: hidden.includes(String(index)) })),
    range: parseRange(form),
    step: parseDuration(form.get("step") ?? ""),
    refresh: parseRefresh(form.get("refresh") ?? ""),
    tab: form.get("tab") === "table" ? "table" : "graph",
    drawing: DRAWINGS.includes(drawing) ? (drawing as Drawing) : undefined,
    exemplars: form.get("exemplars") === "1",
  };
}

/** A link from anywhere must not make the page ask without a pause. */
function parseRefresh(text: string): number | undefined {
  const refresh = parseDuration(text);
  return refresh === undefined ? undefined : Math.max(refresh, REFRESH_MIN);
}

function parseRange(form: URLSearchParams): Range {
  const from = Number(form.get("from") ?? NaN);
  const to = Number(form.get("to") ?? NaN);
  if (Number.isFinite(from) && Number.isFinite(to) && from < to) return { from, to };
  const last = parseDuration(form.get("last") ?? "");
  return last === undefined ? FIRST_QUERY.range : { last };
}

/** What follows `#` in the address of the view; what is as at first is left out. */
export function formatView(view: View): string {
  const form = new URLSearchParams();
  if (view.page === "query") putQuery(form, view.query);
  if (view.page === "metrics" && view.metric !== "") form.set("metric", view.metric);
  const text = form.toString();
  return `#/${view.page}${text === "" ? "" : `?${text}`}`;
}

function putQuery(form: URLSearchParams, query: QueryView): void {
  const isEmpty = query.expressions.every(({ text }) => text.trim() === "");
  query.expressions.forEach(({ text, hidden }, index) => {
    if (!isEmpty) form.append("expr", text);
    if (hidden) form.append("hide", String(index));
  });
  if (!("last" in query.range)) {
    form.set("from", String(query.range.from));
    form.set("to", String(query.range.to));
  } else if (!isEmpty) {
    form.set("last", formatDuration(query.range.last));
  }
  if (query.step !== undefined) form.set("step", formatDuration(query.step));
  if (query.refresh !== undefined) form.set("refresh", formatDuration(query.refresh));
  if (query.tab !== "graph") form.set("tab", query.tab);
  if (query.drawing !== undefined) form.set("draw", query.drawing);
  if (query.exemplars) form.set("exemplars", "1");
}

/** A link to a query of `text` over the range of `base`. */
export function queryLink(text: string, base: QueryView = FIRST_QUERY, change: Partial<QueryView> = {}): string {
  const query = { ...base, step: undefined, drawing: undefined, tab: "graph" as const, ...change };
  return formatView({ page: "query", metric: "", query: { ...query, expressions: [{ text, hidden: false }] } });
}
