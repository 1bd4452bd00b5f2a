/** The frame around the pages. */

import { useEffect, useState } from "preact/hooks";

import { Icon } from "./parts/icons.tsx";
import { CardinalityPage } from "./pages/cardinality.tsx";
import { MetricsPage } from "./pages/metrics.tsx";
import { StatusPage } from "./pages/status.tsx";
import { QueryPage } from "./query/page.tsx";
import { isDark, onThemeChange, setTheme, type Theme, theme } from "./theme.ts";
import { formatView, PAGES, parseView, type View } from "./view.ts";

/** The view of the address; setting it makes an entry in the browser's history. */
function useView(): [View, (view: View) => void] {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const onChange = (): void => setHash(location.hash);
    window.addEventListener("hashchange", onChange);
    window.addEventListener("popstate", onChange);
    return () => {
      window.removeEventListener("hashchange", onChange);
      window.removeEventListener("popstate", onChange);
    };
  }, []);
  const set = (view: View): void => {
    const next = formatView(view);
    if (next !== location.hash) history.pushState(null, "", next);
    setHash(next);
  };
  return [parseView(hash), set];
}

function useDark(): boolean {
  const [dark, setDark] = useState(isDark());
  useEffect(() => onThemeChange(() => setDark(isDark())), []);
  return dark;
}

export function App() {
  const [view, setView] = useView();
  const dark = useDark();
  const [lastQuery, setLastQuery] = useState(view.query);
  const key = JSON.stringify(view.query);
  useEffect(() => {
    if (view.page === "query") setLastQuery(view.query);
    document.title = titleOf(view);
  }, [view.page, key]);
  return (
    <>
      <header class="top">
        <a class="brand" href="#/query" aria-label="chronoxide: new query">
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <rect width="16" height="16" rx="3.5" />
            <path d="M3 10.5 6 6l3 3 4-5.5" />
          </svg>
          <span>chronoxide</span>
        </a>
        <nav aria-label="Pages">
          {PAGES.map(({ name, title }) => (
            <a
              key={name}
              href={name === "query" ? formatView({ page: "query", metric: "", query: lastQuery }) : `#/${name}`}
              aria-current={view.page === name ? "page" : undefined}
            >
              {title}
            </a>
          ))}
        </nav>
        <ThemeButton />
      </header>
      {view.page === "query" && <QueryPage query={view.query} dark={dark} onChange={(query) => setView({ ...view, query })} />}
      {view.page === "metrics" && <MetricsPage metric={view.metric} onMetric={(metric) => setView({ ...view, metric })} />}
      {view.page === "cardinality" && <CardinalityPage />}
      {view.page === "status" && <StatusPage />}
    </>
  );
}

function titleOf(view: View): string {
  const page = PAGES.find(({ name }) => name === view.page)?.title ?? "";
  const first = view.page === "query" ? view.query.expressions[0]?.text.trim().slice(0, 60) : view.metric;
  return `${first === undefined || first === "" ? page : first} · chronoxide`;
}

const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
const ICONS = { auto: "auto", light: "sun", dark: "moon" } as const;

function ThemeButton() {
  const [current, setCurrent] = useState(theme());
  const next = NEXT[current];
  const change = (): void => {
    setTheme(next);
    setCurrent(next);
  };
  const label = `Colours: ${current === "auto" ? "as the system" : current}; switch to ${next === "auto" ? "the system's" : next}`;
  return (
    <button type="button" class="plain theme" aria-label={label} title={label} onClick={change}>
      <Icon name={ICONS[current]} />
    </button>
  );
}
