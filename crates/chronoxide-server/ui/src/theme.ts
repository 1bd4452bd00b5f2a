/** Light and dark: as the system says, until someone decides otherwise. */

export type Theme = "auto" | "light" | "dark";

const KEY = "chronoxide.theme";
const listeners = new Set<() => void>();
const dark = window.matchMedia("(prefers-color-scheme: dark)");

export function theme(): Theme {
  const kept = read(KEY);
  return kept === "light" || kept === "dark" ? kept : "auto";
}

export function isDark(): boolean {
  return theme() === "auto" ? dark.matches : theme() === "dark";
}

export function setTheme(next: Theme): void {
  write(KEY, next === "auto" ? undefined : next);
  apply();
}

/** Calls `listener` when colours change; the answer ends that. */
export function onThemeChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function apply(): void {
  document.documentElement.dataset["theme"] = isDark() ? "dark" : "light";
  for (const listener of listeners) listener();
}

dark.addEventListener("change", apply);

/** A colour of the style sheet. */
export function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const PALETTE_LIGHT = ["#1668b8", "#d9730d", "#27864a", "#c63a3a", "#7a50c7", "#93623d", "#c7489a", "#5b6f7f", "#8d8f00", "#0d8fa6"];
const PALETTE_DARK = ["#5aa9f0", "#f2a048", "#5cc27f", "#f07a74", "#b195f0", "#c89b74", "#f08cc8", "#9fb3c2", "#c9cb45", "#4fc9de"];

/** The colour of the n-th series. */
export function seriesColor(index: number): string {
  const palette = isDark() ? PALETTE_DARK : PALETTE_LIGHT;
  return palette[index % palette.length] ?? "#888";
}

/** What was kept in the browser; nothing where it keeps nothing. */
export function read(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

export function write(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing forgets the choice with the page.
  }
}
