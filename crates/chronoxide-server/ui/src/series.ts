/** Series as people and PromQL write them. */

export type Labels = Readonly<Record<string, string>>;

const PLAIN_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const PLAIN_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Text as a string of PromQL. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}

function labelText(name: string): string {
  return PLAIN_LABEL.test(name) ? name : quoted(name);
}

/** A selector of one label: `job="node"`. */
export function matcherText(name: string, value: string, operator = "="): string {
  return `${labelText(name)}${operator}${quoted(value)}`;
}

/** A selector: `up{job="node"}`; a name with strange characters goes into the braces. */
export function selectorText(name: string, matchers: readonly string[]): string {
  if (PLAIN_NAME.test(name)) return matchers.length === 0 ? name : `${name}{${matchers.join(", ")}}`;
  return `{${[quoted(name), ...matchers].join(", ")}}`;
}

/** The series as a selector that finds it alone. */
export function seriesText(labels: Labels): string {
  const { __name__: name, ...rest } = labels;
  const matchers = Object.entries(rest).map(([key, value]) => matcherText(key, value));
  if (name === undefined) return `{${matchers.join(", ")}}`;
  return selectorText(name, matchers);
}

/** Labels without some of them. */
export function without(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !names.includes(name)));
}

/** A name in a grouping: `by (job)`. */
export function groupingText(names: readonly string[]): string {
  return names.map(labelText).join(", ");
}
