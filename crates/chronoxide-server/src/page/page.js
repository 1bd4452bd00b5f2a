"use strict";

const ROWS_MAX = 1000;
const form = document.getElementById("query");
const input = document.getElementById("text");
const note = document.getElementById("note");
const table = document.getElementById("result");

/** The series as people write it. */
function seriesText(metric) {
  const { __name__: name = "", ...labels } = metric;
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return pairs.length || !name ? `${name}{${pairs.join(", ")}}` : name;
}

/** Rows of series and value, whatever the type of the result. */
function rowsOf({ resultType, result }) {
  switch (resultType) {
    case "vector":
      return result.map((item) => [seriesText(item.metric), item.value ? item.value[1] : histogramText(item.histogram[1])]);
    case "matrix":
      return result.map((item) => [
        seriesText(item.metric),
        (item.values || []).map(([time, value]) => `${value} @ ${time}`).join("\n"),
      ]);
    default:
      return [[resultType, result[1]]];
  }
}

function histogramText({ count, sum }) {
  return `histogram: count ${count}, sum ${sum}`;
}

function show(rows) {
  const body = table.tBodies[0];
  body.replaceChildren();
  for (const cells of rows.slice(0, ROWS_MAX)) {
    const row = body.insertRow();
    for (const text of cells) row.insertCell().textContent = text;
  }
  table.hidden = rows.length === 0;
}

function tell(text, isError) {
  note.textContent = text;
  note.className = isError ? "error" : "";
}

async function run() {
  const started = performance.now();
  try {
    const response = await fetch(`/api/v1/query?query=${encodeURIComponent(input.value)}`);
    const answer = await response.json();
    if (answer.status !== "success") throw new Error(answer.error);
    const rows = rowsOf(answer.data);
    const notes = [...(answer.warnings || []), ...(answer.infos || [])];
    show(rows);
    tell([`${rows.length} series in ${Math.round(performance.now() - started)} ms`, ...notes].join(" — "), false);
  } catch (error) {
    show([]);
    tell(error.message, true);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
run();
