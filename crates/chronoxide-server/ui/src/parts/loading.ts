/** Data that is asked for when a component appears, and again on demand. */

import { useEffect, useState } from "preact/hooks";

import { reasonOf } from "../api.ts";

export interface Loaded<T> {
  readonly data: T | undefined;
  readonly error: string | undefined;
  readonly loading: boolean;
}

/** Calls `load` at first and whenever one of `inputs` changes; older data stays until newer comes. */
export function useLoaded<T>(load: (signal: AbortSignal) => Promise<T>, inputs: readonly unknown[]): Loaded<T> {
  const [state, setState] = useState<Loaded<T>>({ data: undefined, error: undefined, loading: true });
  useEffect(() => {
    const abort = new AbortController();
    setState((old) => ({ ...old, loading: true }));
    load(abort.signal).then(
      (data) => abort.signal.aborted || setState({ data, error: undefined, loading: false }),
      (error: unknown) =>
        abort.signal.aborted || setState((old) => ({ data: old.data, error: reasonOf(error), loading: false })),
    );
    return () => abort.abort();
  }, inputs);
  return state;
}

/** A number that rises every so many seconds while the page is seen. */
export function useTicks(seconds: number | undefined): number {
  const [tick, setTick] = useState(0);
  useEffect(() => {
    if (seconds === undefined) return undefined;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") setTick((old) => old + 1);
    }, seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return tick;
}
