/** Asking: expressions, a range of time, and what comes of them as a graph or a table. */

import { useEffect, useRef, useState } from "preact/hooks";

import { Icon } from "../parts/icons.tsx";
import { useTicks } from "../parts/loading.ts";
import { Notice } from "../parts/notice.tsx";
import { useWidth } from "../parts/width.ts";
import { formatDuration, isSameRange, parseDuration, type Range, zoomed } from "../time.ts";
import { type Expression, EXPRESSIONS_MAX, letterOf, type QueryView } from "../view.ts";
import { Editor } from "./editor.tsx";
import { Examples } from "./examples.tsx";
import { Graph } from "./graph.tsx";
import { RangePicker } from "./range_picker.tsx";
import { rememberQueries } from "./recent.ts";
import { type Outcome, type Results, useResults } from "./run.ts";
import { ResultTable } from "./table.tsx";

interface QueryPageProps {
  readonly query: QueryView;
  readonly dark: boolean;
  readonly onChange: (query: QueryView) => void;
}

/** Where fingers point, a text that has the focus brings up a keyboard that hides half of the page. */
const isTouched = (): boolean => window.matchMedia("(pointer: coarse)").matches;

const REFRESHES: readonly number[] = [5, 15, 30, 60, 300, 900];

/** What is being edited: as the view has it until someone types. */
interface Drafts {
  readonly expressions: readonly Expression[];
  /** Rises when the view brings other expressions than those that were edited here. */
  readonly version: number;
  readonly edit: (expressions: readonly Expression[]) => void;
  /** To be called before the view is given what was edited here. */
  readonly commit: (expressions: readonly Expression[]) => void;
}

function useDrafts(query: QueryView): Drafts {
  const [state, setState] = useState({ expressions: query.expressions, version: 0 });
  const key = JSON.stringify(query.expressions);
  const committed = useRef(key);
  useEffect(() => {
    if (committed.current === key) return;
    committed.current = key;
    setState((old) => ({ expressions: query.expressions, version: old.version + 1 }));
  }, [key]);
  const edit = (expressions: readonly Expression[]): void => setState((old) => ({ ...old, expressions }));
  const commit = (expressions: readonly Expression[]): void => {
    committed.current = JSON.stringify(expressions);
    edit(expressions);
  };
  return { ...state, edit, commit };
}

export function QueryPage({ query, dark, onChange }: QueryPageProps) {
  const drafts = useDrafts(query);
  const [run, setRun] = useState(0);
  const area = useRef<HTMLDivElement>(null);
  const width = useWidth(area);
  const tick = useTicks(query.refresh);
  const { results, loading } = useResults(query, run + tick, width);
  const isEmpty = query.expressions.every(({ text }) => text.trim() === "");

  const change = (next: Partial<QueryView>): void => {
    drafts.commit(drafts.expressions);
    onChange({ ...query, expressions: drafts.expressions, ...next });
  };
  const show = (expressions: readonly Expression[]): void => {
    rememberQueries(expressions.map(({ text }) => text));
    onChange({ ...query, expressions });
    setRun((old) => old + 1);
  };
  const runNow = (expressions: readonly Expression[] = drafts.expressions): void => {
    drafts.commit(expressions);
    show(expressions);
  };

  return (
    <main class="query-page">
      <h1 class="visually-hidden">Query</h1>
      <Expressions drafts={drafts} results={results} isEmpty={isEmpty} onRun={runNow} />
      <Toolbar query={query} loading={loading} onChange={change} onRun={() => runNow()} />
      <div class="results" ref={area} aria-busy={loading}>
        {isEmpty ? (
          <Examples onPick={(text) => show([{ text, hidden: false }])} />
        ) : (
          <ResultArea query={query} results={results} dark={dark} onChange={change} />
        )}
      </div>
    </main>
  );
}

interface ExpressionsProps {
  readonly drafts: Drafts;
  readonly results: Results | undefined;
  readonly isEmpty: boolean;
  readonly onRun: (expressions?: readonly Expression[]) => void;
}

function Expressions({ drafts, results, isEmpty, onRun }: ExpressionsProps) {
  const { expressions, version, edit } = drafts;
  // Rows keep their editor when one before them goes.
  const keys = useRef<number[]>([]);
  const next = useRef(0);
  while (keys.current.length < expressions.length) keys.current.push(next.current++);
  keys.current.length = expressions.length;
  const replace = (index: number, change: Partial<Expression>): readonly Expression[] =>
    expressions.map((draft, at) => (at === index ? { ...draft, ...change } : draft));
  const remove = (index: number): void => {
    keys.current.splice(index, 1);
    onRun(expressions.filter((_, at) => at !== index));
  };
  return (
    <section class="expressions" aria-label="Expressions">
      {expressions.map((draft, index) => (
        <ExpressionRow
          key={keys.current[index]}
          draft={draft}
          index={index}
          version={version}
          single={expressions.length === 1}
          outcome={isEmpty ? undefined : results?.outcomes[index]}
          onText={(text) => edit(replace(index, { text }))}
          onHidden={(hidden) => onRun(replace(index, { hidden }))}
          onRemove={() => remove(index)}
          onRun={() => onRun()}
        />
      ))}
      {expressions.length < EXPRESSIONS_MAX && (
        <button type="button" class="add" onClick={() => edit([...expressions, { text: "", hidden: false }])}>
          <Icon name="plus" /> Add expression
        </button>
      )}
    </section>
  );
}

interface ExpressionRowProps {
  readonly draft: Expression;
  readonly index: number;
  readonly version: number;
  readonly single: boolean;
  readonly outcome: Outcome | undefined;
  readonly onText: (text: string) => void;
  readonly onHidden: (hidden: boolean) => void;
  readonly onRemove: () => void;
  readonly onRun: () => void;
}

function ExpressionRow({ draft, index, version, single, outcome, onText, onHidden, onRemove, onRun }: ExpressionRowProps) {
  const letter = letterOf(index);
  return (
    <div class={`expression${draft.hidden ? " off" : ""}`}>
      <div class="expression-box">
        {!single && <span class="letter">{letter}</span>}
        <Editor text={draft.text} version={version} label={`Expression ${letter}`} focused={index === 0 ? !isTouched() : draft.text === ""} onChange={onText} onRun={onRun} />
        {!single && (
          <div class="expression-buttons">
            <button
              type="button"
              class="plain"
              aria-label={draft.hidden ? `Show expression ${letter}` : `Hide expression ${letter}`}
              aria-pressed={draft.hidden}
              title={draft.hidden ? "Show" : "Hide"}
              onClick={() => onHidden(!draft.hidden)}
            >
              <Icon name={draft.hidden ? "hidden" : "eye"} />
            </button>
            <button type="button" class="plain" aria-label={`Remove expression ${letter}`} title="Remove" onClick={onRemove}>
              <Icon name="close" />
            </button>
          </div>
        )}
      </div>
      <Notes outcome={outcome} />
    </div>
  );
}

function Notes({ outcome }: { readonly outcome: Outcome | undefined }) {
  if (outcome === undefined) return null;
  const answer = outcome.matrix ?? outcome.instant;
  return (
    <>
      {outcome.error !== undefined && <Notice kind="error">{outcome.error}</Notice>}
      {answer?.warnings.map((text) => <Notice key={text} kind="warning">{text}</Notice>)}
      {answer?.infos.map((text) => <Notice key={text} kind="info">{text}</Notice>)}
    </>
  );
}

interface ToolbarProps {
  readonly query: QueryView;
  readonly loading: boolean;
  readonly onChange: (change: Partial<QueryView>) => void;
  readonly onRun: () => void;
}

function Toolbar({ query, loading, onChange, onRun }: ToolbarProps) {
  return (
    <div class="toolbar" role="toolbar" aria-label="Query">
      <button type="button" class="button primary" title="Ctrl-Enter or Shift-Enter" onClick={onRun}>
        <Icon name="play" /> Run
      </button>
      <div class="segments" role="group" aria-label="Result">
        {(["graph", "table"] as const).map((tab) => (
          <button key={tab} type="button" aria-pressed={query.tab === tab} onClick={() => onChange({ tab })}>
            {tab === "graph" ? "Graph" : "Table"}
          </button>
        ))}
      </div>
      <RangePicker range={query.range} onChange={(range) => onChange({ range })} />
      <StepBox step={query.step} onChange={(step) => onChange({ step })} />
      <label class="field">
        <span>Refresh</span>
        <select
          value={query.refresh ?? ""}
          onChange={(event) => onChange({ refresh: event.currentTarget.value === "" ? undefined : Number(event.currentTarget.value) })}
        >
          <option value="">off</option>
          {REFRESHES.map((seconds) => (
            <option key={seconds} value={seconds}>
              {formatDuration(seconds)}
            </option>
          ))}
        </select>
      </label>
      <label class="check">
        <input type="checkbox" checked={query.exemplars} onChange={(event) => onChange({ exemplars: event.currentTarget.checked })} />
        Exemplars
      </label>
      <CopyLink />
      <span class={`spinner${loading ? " on" : ""}`} role="status" aria-label={loading ? "Loading" : undefined} />
    </div>
  );
}

function StepBox({ step, onChange }: { readonly step: number | undefined; readonly onChange: (step: number | undefined) => void }) {
  const shown = step === undefined ? "" : formatDuration(step);
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);
  const parsed = parseDuration(text);
  const isValid = text.trim() === "" || parsed !== undefined;
  const commit = (): void => {
    if (isValid && parsed !== step) onChange(parsed);
  };
  return (
    <label class="field">
      <span>Step</span>
      <input
        class="step"
        value={text}
        placeholder="auto"
        aria-invalid={!isValid}
        title={isValid ? "Time between two points, such as 30s" : "A step is a duration such as 30s or 5m"}
        onInput={(event) => setText(event.currentTarget.value)}
        onBlur={commit}
        onKeyDown={(event) => event.key === "Enter" && commit()}
      />
    </label>
  );
}

function CopyLink() {
  const [outcome, setOutcome] = useState<"copied" | "failed">();
  const show = (next: "copied" | "failed"): void => {
    setOutcome(next);
    setTimeout(() => setOutcome(undefined), outcomeMs[next]);
  };
  const copy = (): void => {
    // Without a secure context there is no clipboard; the address bar has the same link.
    const written = navigator.clipboard?.writeText(location.href) ?? Promise.reject(new Error("no clipboard"));
    written.then(
      () => show("copied"),
      () => show("failed"),
    );
  };
  return (
    <button type="button" class={outcome === "failed" ? "button" : "button square"} aria-label="Copy link to this view" title="Copy link to this view" onClick={copy}>
      {outcome === "copied" ? "✓" : outcome === "failed" ? "Copy it from the address bar" : <Icon name="link" />}
    </button>
  );
}

/** How long the outcome of copying is shown. */
const outcomeMs = { copied: 1500, failed: 4000 };

interface ResultAreaProps {
  readonly query: QueryView;
  readonly results: Results | undefined;
  readonly dark: boolean;
  readonly onChange: (change: Partial<QueryView>) => void;
}

/** Ranges that were chosen by dragging, each with the one before it. */
function useZooms(range: Range, onRange: (range: Range) => void): { zoom: (next: Range) => void; undo: () => void } {
  const zooms = useRef<{ before: Range; after: Range }[]>([]);
  const zoom = (next: Range): void => {
    zooms.current.push({ before: range, after: next });
    onRange(next);
  };
  const undo = (): void => {
    const last = zooms.current.pop();
    if (last !== undefined && isSameRange(last.after, range)) return onRange(last.before);
    // The range came from elsewhere since: from a link, the panel or a button.
    zooms.current = [];
    onRange(zoomed(range, 2, Math.floor(Date.now() / 1000)));
  };
  return { zoom, undo };
}

function ResultArea({ query, results, dark, onChange }: ResultAreaProps) {
  const { zoom, undo } = useZooms(query.range, (range) => onChange({ range }));
  if (results === undefined) return null;
  if (results.tab === "graph") {
    return (
      <Graph
        results={results}
        drawing={query.drawing}
        dark={dark}
        onChoose={({ start, end }) => zoom({ from: Math.floor(start), to: Math.ceil(end) })}
        onWiden={undo}
        onDrawing={(drawing) => onChange({ drawing })}
      />
    );
  }
  return (
    <>
      {results.outcomes.map(
        (outcome, index) =>
          outcome?.instant !== undefined && (
            <section key={index} class="table-result">
              {results.outcomes.length > 1 && (
                <h2>
                  <code>{outcome.text}</code>
                </h2>
              )}
              <ResultTable data={outcome.instant.data} text={outcome.text} bounds={results.units[index]?.bounds} />
            </section>
          ),
      )}
    </>
  );
}
