/** Runs the expressions of a view. */

import { useEffect, useRef, useState } from "preact/hooks";

import { type Answer, type MatrixData, queryAt, type QueryData, queryExemplars, queryRange, reasonOf, type Steps } from "../api.ts";
import { spanOf, stepsOf } from "../time.ts";
import type { QueryView } from "../view.ts";
import { exemplarsOf, type Exemplar } from "./exemplars.ts";
import { expressionUnits, type ExpressionUnits } from "./expression_unit.ts";
import { knownUnits } from "./metric_units.ts";

/** What became of one expression. */
export interface Outcome {
  readonly text: string;
  readonly matrix?: Answer<MatrixData>;
  readonly instant?: Answer<QueryData>;
  readonly error?: string;
}

export interface Results {
  /** As many as there are expressions; nothing for those that are empty or hidden. */
  readonly outcomes: readonly (Outcome | undefined)[];
  readonly steps: Steps;
  readonly tab: QueryView["tab"];
  readonly exemplars: readonly Exemplar[];
  /** For each expression what its values are measured in. */
  readonly units: readonly ExpressionUnits[];
}

/** The results of the view, asked for again whenever it or `run` changes; older results stay until then. */
export function useResults(query: QueryView, run: number, width: number): { results: Results | undefined; loading: boolean } {
  const [results, setResults] = useState<Results>();
  const [loading, setLoading] = useState(false);
  const { expressions, range, step, tab, exemplars } = query;
  const newestWidth = useRef(width);
  newestWidth.current = width;
  useEffect(() => {
    if (newestWidth.current === 0) return undefined;
    const abort = new AbortController();
    const steps = stepsOf(range, step, newestWidth.current, Date.now() / 1000);
    setLoading(true);
    void runAll(query, steps, abort.signal).then((next) => {
      if (abort.signal.aborted) return;
      setResults(next);
      setLoading(false);
    });
    return () => abort.abort();
  }, [JSON.stringify([expressions, range, step, tab, exemplars]), run, width === 0]);
  return { results, loading };
}

async function runAll(query: QueryView, steps: Steps, signal: AbortSignal): Promise<Results> {
  const isAsked = ({ text, hidden }: QueryView["expressions"][number]): boolean => text.trim() !== "" && !hidden;
  const { end } = spanOf(query.range, Date.now() / 1000);
  const outcomes = query.expressions.map(async (expression): Promise<Outcome | undefined> => {
    const { text } = expression;
    if (!isAsked(expression)) return undefined;
    try {
      return query.tab === "graph"
        ? { text, matrix: await queryRange(text, steps, signal) }
        : { text, instant: await queryAt(text, Math.round(end * 1000) / 1000, signal) };
    } catch (error) {
      return { text, error: reasonOf(error) };
    }
  });
  const wanted = query.exemplars && query.tab === "graph" ? query.expressions.filter(isAsked) : [];
  // Without exemplars a graph is still a graph: an error here is an answer without any.
  const exemplars = wanted.map(({ text }) =>
    queryExemplars(text, steps.start, steps.end, signal).then(({ data }) => exemplarsOf(data), () => []),
  );
  const known = knownUnits(query.expressions.filter(isAsked).map(({ text }) => text));
  const units = known.then((found) => query.expressions.map(({ text }) => expressionUnits(text, found)));
  return {
    outcomes: await Promise.all(outcomes),
    steps,
    tab: query.tab,
    exemplars: (await Promise.all(exemplars)).flat(),
    units: await units,
  };
}
