/** Queries asked for lately, kept in the browser. */

import { read, write } from "../theme.ts";

const KEY = "chronoxide.recent";
const KEPT = 20;

export function recentQueries(): readonly string[] {
  try {
    const kept: unknown = JSON.parse(read(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((text) => typeof text === "string") : [];
  } catch {
    return [];
  }
}

export function rememberQueries(texts: readonly string[]): void {
  const asked = texts.map((text) => text.trim()).filter((text) => text !== "");
  if (asked.length > 0) write(KEY, JSON.stringify([...new Set([...asked, ...recentQueries()])].slice(0, KEPT)));
}
