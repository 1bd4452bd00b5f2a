/** Tests of what needs no browser: times, numbers, links, histograms. Run by `node --test`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { parseExposition, OwnMetrics } from "../src/pages/own_metrics.ts";
import { suggestions } from "../src/pages/suggestions.ts";
import { bytes, count, percent, shortNumber } from "../src/number.ts";
import { expressionUnits, namesWithoutUnit } from "../src/query/expression_unit.ts";
import { cellText, heatOf, placeOf, quantileCell } from "../src/query/heat.ts";
import { layOut, stack, stepTimes, summarize } from "../src/query/matrix.ts";
import { matcherText, selectorText, seriesText } from "../src/series.ts";
import { formatDuration, parseDuration, shifted, spanOf, stepFor, stepsOf, zoomed } from "../src/time.ts";
import { axisTexts, quantity, roundSteps, type Unit, unitOfName, unitOfText } from "../src/unit.ts";
import { FIRST_QUERY, formatView, parseView, type View } from "../src/view.ts";

test("durations are read and written as PromQL does", () => {
  for (const [text, seconds] of [["90", 90], ["1h30m", 5400], ["500ms", 0.5], ["8d", 691_200], ["2w", 1_209_600], ["1.5", 1.5]] as const) {
    assert.equal(parseDuration(text), seconds, text);
  }
  for (const text of ["", "0", "-5", "1x", "5m1h", "h", "1h 5m"]) assert.equal(parseDuration(text), undefined, text);
  for (const [seconds, text] of [[5400, "1h30m"], [0.25, "250ms"], [691_200, "8d"], [604_800, "1w"], [31_536_000, "1y"]] as const) {
    assert.equal(formatDuration(seconds), text);
    assert.equal(parseDuration(text), seconds);
  }
});

test("a range moves and widens, and one that reaches now follows it", () => {
  const now = 10_000;
  assert.deepEqual(spanOf({ last: 600 }, now), { start: 9400, end: now });
  assert.deepEqual(shifted({ last: 600 }, -0.5, now), { from: 9100, to: 9700 });
  assert.deepEqual(shifted({ from: 9100, to: 9700 }, 0.5, now), { last: 600 });
  assert.deepEqual(zoomed({ from: 5000, to: 5100 }, 2, now), { from: 4950, to: 5150 });
  assert.deepEqual(zoomed({ from: 9000, to: 9900 }, 4, now), { last: 3600 });
});

test("steps are round and give no more points than wanted", () => {
  assert.equal(stepFor(3600, 300), 15);
  assert.equal(stepFor(900, 333), 5);
  assert.equal(stepFor(30 * 86_400, 300), 10_800);
  assert.equal(stepFor(10 * 365 * 86_400, 100) % 86_400, 0);
});

test("numbers are short and keep their size", () => {
  for (const [value, text] of [
    [0, "0"], [1234, "1.234k"], [999.99, "1k"], [0.00123, "0.00123"], [0.000012, "1.2e-5"], [-2_500_000, "-2.5M"],
    [NaN, "NaN"], [Infinity, "+Inf"], [1.5e18, "1.5e+18"],
  ] as const) {
    assert.equal(shortNumber(value), text);
  }
  assert.equal(bytes(3_400_000), "3.24 MiB");
  assert.equal(bytes(12), "12 B");
  assert.equal(count(1_234_567), "1\u202f234\u202f567");
  assert.equal(percent(0.0004), "< 0.1\u202f%");
});

test("series are written so that PromQL reads them back", () => {
  assert.equal(seriesText({ __name__: "up", job: 'a"b\\' }), 'up{job="a\\"b\\\\"}');
  assert.equal(seriesText({ __name__: "http.requests", "host.name": "x" }), '{"http.requests", "host.name"="x"}');
  assert.equal(seriesText({}), "{}");
  assert.equal(selectorText("up", [matcherText("job", "a", "!=")]), 'up{job!="a"}');
});

test("a link restores the view", () => {
  const view: View = {
    page: "query",
    metric: "",
    query: {
      expressions: [
        { text: 'rate(a{b="c&d#?"}[5m])', hidden: false },
        { text: "up", hidden: true },
      ],
      range: { from: 1_700_000_000, to: 1_700_000_900 },
      step: 15,
      refresh: 30,
      tab: "table",
      drawing: "stacked",
      exemplars: true,
    },
  };
  assert.deepEqual(parseView(formatView(view)), view);
  assert.equal(formatView(parseView("")), "#/query");
  assert.deepEqual(parseView("#/nonsense?from=9&to=3&step=x&draw=y"), { page: "query", metric: "", query: FIRST_QUERY });
  assert.deepEqual(parseView("#/metrics?metric=a%20b").metric, "a b");
});

test("a link cannot make the page ask without a pause", () => {
  assert.equal(parseView("#/query?refresh=1ms").query.refresh, 1);
  assert.equal(parseView("#/query?refresh=5s").query.refresh, 5);
});

test("a step longer than the range shows the end of the range", () => {
  const asked = (from: number, to: number, step: number) => stepsOf({ from, to }, step, 600, 0);
  assert.deepEqual(asked(1000, 1900, 3600), { start: 1900, end: 1900, step: 3600 });
  assert.deepEqual(asked(3000, 3900, 3600), { start: 3600, end: 3600, step: 3600 });
  assert.deepEqual(asked(1001, 1099, 10), { start: 1010, end: 1090, step: 10 });
});

test("answers are laid out on the grid of steps, gaps included", () => {
  const steps = { start: 100, end: 130, step: 10 };
  assert.deepEqual(stepTimes(steps), [100, 110, 120, 130]);
  const grid = layOut(steps, [undefined, [{ metric: { a: "b" }, values: [[110, "1.5"], [130, "NaN"]] }]]);
  assert.deepEqual(grid.series[0]?.values, [null, 1.5, null, null]);
  assert.equal(grid.series[0]?.expression, 1);
  assert.deepEqual(summarize([null, 1, 3, null]), { last: 3, min: 1, max: 3, mean: 2 });
  assert.deepEqual(stack([[1, null, null], [2, 3, null]]), [[1, null, null], [3, 3, null]]);
});

test("classic buckets become cells by subtraction, and histograms add up", () => {
  const steps = { start: 0, end: 0, step: 1 };
  const bucket = (le: string, job: string, value: string) => ({ metric: { __name__: "h_bucket", job, le }, values: [[0, value] as const] });
  const heat = heatOf(
    layOut(steps, [[bucket("+Inf", "a", "9"), bucket("0.5", "a", "4"), bucket("1", "a", "7"), bucket("0.5", "b", "1"), bucket("1", "b", "1"), bucket("+Inf", "b", "1")]]),
  );
  assert.equal(heat.merged, 2);
  assert.deepEqual(heat.bounds, [0, 0.5, 1, Infinity]);
  assert.deepEqual(heat.cells[0], [
    { lower: 0, upper: 0.5, count: 5 },
    { lower: 0.5, upper: 1, count: 3 },
    { lower: 1, upper: Infinity, count: 2 },
  ]);
  assert.equal(cellText(quantileCell(heat.cells[0] ?? [], 0.99) ?? { lower: 0, upper: 0, count: 0 }), "> 1");
});

test("native histograms become cells", () => {
  const histogram = { count: "6", sum: "12", buckets: [[0, "1", "2", "4"], [1, "-2", "-1", "1"], [3, "-0.001", "0.001", "1"]] as const };
  const heat = heatOf(layOut({ start: 0, end: 0, step: 1 }, [[{ metric: {}, histograms: [[0, histogram]] }]]));
  assert.deepEqual(heat.bounds, [-2, -1, -0.001, 0.001, 1, 2]);
  assert.equal(heat.countMax, 4);
  assert.equal(placeOf(heat.bounds, 1), 4);
  assert.equal(placeOf(heat.bounds, Math.SQRT2), 4.5);
  assert.equal(placeOf(heat.bounds, 99), 5);
});

test("own metrics are read from their text form", () => {
  const samples = parseExposition('# HELP a b\n# TYPE a counter\na{x="1,\\"}",y="z"} 2\na 3\nb 1e3\n\nnonsense\n');
  const metrics = new OwnMetrics(samples);
  assert.equal(metrics.sum("a"), 5);
  assert.deepEqual(metrics.all("a")[0]?.labels, { x: '1,"}', y: "z" });
  assert.equal(metrics.sum("b"), 1000);
  assert.equal(metrics.sum("c"), undefined);
});

test("suggested queries suit the type of the metric", () => {
  const texts = (...args: Parameters<typeof suggestions>): string[] => suggestions(...args).map(({ text }) => text);
  assert.ok(texts("a_total", "counter", [], ["code"]).includes("sum by (code) (rate(a_total[5m]))"));
  assert.ok(texts("h_bucket", "histogram", ['job="x"'], ["le"])[0]?.startsWith('sum by (le) (rate(h_bucket{job="x"}[5m]))'));
  assert.ok(texts("h", "histogram", [], [])[1]?.startsWith("histogram_quantile("));
  assert.ok(texts("g", "gauge", [], []).includes("g"));
});

/** How a thousand of an expression's values is written: its unit at a glance. */
function thousand(text: string, known: ReadonlyMap<string, Unit | undefined> = new Map()): string {
  return quantity(1000, expressionUnits(text, known).value);
}

test("units come from the names of metrics and what is done with them", () => {
  for (const [text, written] of [
    ["a_seconds", "16.67 min"], ["sum by (x) (a_bytes)", "1000 B"], ["rate(a_bytes_total[5m])", "1000 B/s"], ["a_milliseconds", "1 s"],
    ["a_ratio", "100000\u202f%"], ["a_percent", "1000\u202f%"], ["fleet_temperature_celsius", "1000 °C"], ["a_volts", "1 kV"],
    ["rate(http_requests_total[5m])", "1k/s"], ["sum(rate(a_seconds_count[5m]))", "1k/s"], ["increase(a_bytes_total[1h])", "1000 B"],
    ["histogram_quantile(0.9, sum by (le) (rate(a_seconds_bucket[5m])))", "16.67 min"], ["histogram_quantile(0.9, rate(a_bytes[5m]))", "1000 B"],
    ["rate(a_seconds_sum[5m]) / rate(a_seconds_count[5m])", "16.67 min"], ["max_over_time(rate(a_bytes_total[1m])[5m:])", "1000 B/s"],
    ["a_bytes / 1024 / 1024", "1000 MiB"], ["rate(a_bytes_total[1m]) * 8", "1 kbit/s"], ["-(a_bytes offset 5m) @ 3", "1000 B"],
    ["time() - a_timestamp_seconds", "16.67 min"], ["a_bytes - b_bytes > 5", "1000 B"], ["a_bytes or b_bytes", "1000 B"],
    ['{__name__="a_bytes", x="y"}', "1000 B"], ['{"a_bytes"}', "1000 B"], ["topk(3, a_bytes)", "1000 B"], ["a_bytes_per_second", "1000 B/s"],
  ] as const) {
    assert.equal(thousand(text), written, text);
  }
});

test("an expression whose unit is not sure has none", () => {
  for (const text of [
    "a", "a_seconds * b_seconds", "rate(a_bytes_total[1m]) * 60", "a_bytes + b_seconds", "a_bytes / b_bytes", "a_bytes / b", "count(a_bytes)",
    "a_bytes > bool 5", "absent(a_bytes)", "a_timestamp_seconds", "rate(a_seconds_total[5m])", "a_seconds_bucket", "sum(", "a_bytes ^ 2", "",
    '{__name__=~"a_bytes"}', "a_joules_per_kilogram", "1000", "node_memory_bytesize",
  ]) {
    assert.equal(thousand(text), "1k", text);
  }
  // Seconds beyond thirty years are dates.
  assert.equal(quantity(1_795_000_000, unitOfName("a_seconds")), "1.795G");
});

test("metadata tells the unit where the name does not", () => {
  assert.deepEqual(namesWithoutUnit('sum(rate(a[5m])) / b_bytes + {__name__="c.d"}'), ["a", "c.d"]);
  const known = new Map([["a", unitOfText("By")], ["b", unitOfText("seconds")]]);
  assert.equal(thousand("rate(a[5m])", known), "1000 B/s");
  assert.equal(thousand("b", known), "16.67 min");
  assert.equal(thousand("c", known), "1k");
  assert.equal(quantity(1000, unitOfText("By/s")), "1000 B/s");
  for (const text of ["1", "", "furlong", "By/min"]) assert.equal(unitOfText(text), undefined, text);
});

test("quantities are written in the prefix that fits", () => {
  const seconds = unitOfName("a_seconds");
  for (const [value, text] of [[0, "0 s"], [0.0123, "12.3 ms"], [2e-6, "2 µs"], [3e-9, "3 ns"], [90, "90 s"], [7200, "2 h"], [864_000, "10 d"], [-0.5, "-500 ms"], [NaN, "NaN"]] as const) {
    assert.equal(quantity(value, seconds), text);
  }
  const bytes = unitOfName("a_bytes");
  for (const [value, text] of [[0, "0 B"], [1023, "1023 B"], [1536, "1.5 KiB"], [1_031_782, "1007.6 KiB"], [3 * 2 ** 30, "3 GiB"], [0.25, "0.25 B"]] as const) {
    assert.equal(quantity(value, bytes, 5), text);
  }
  assert.equal(quantity(0.5, unitOfName("a_ratio")), "50\u202f%");
});

test("texts of an axis share one unit and are round in it", () => {
  const bytes = unitOfName("a_bytes");
  assert.deepEqual(axisTexts([0, 2 ** 29, 2 ** 30, 3 * 2 ** 29], bytes), ["0", "0.5 GiB", "1 GiB", "1.5 GiB"]);
  assert.deepEqual(axisTexts([0, 2 ** 17, 2 ** 18, 9 * 2 ** 17], bytes), ["0", "128 KiB", "256 KiB", "1152 KiB"]);
  assert.deepEqual(axisTexts([91, 92, 93].map((quarters) => quarters * 2 ** 18), bytes), ["22.75 MiB", "23 MiB", "23.25 MiB"]);
  assert.deepEqual(axisTexts([0.1, 0.2, 0.3], unitOfName("a_seconds")), ["100 ms", "200 ms", "300 ms"]);
  assert.deepEqual(axisTexts([0, 1800, 3600, 7200], unitOfName("a_seconds")), ["0", "0.5 h", "1 h", "2 h"]);
  assert.deepEqual(axisTexts([0, 500, 1000], undefined), ["0", "500", "1k"]);
  assert.deepEqual(axisTexts([20_000_000, 20_000_001], undefined), ["20M", "20.000001M"]);
  assert.ok(roundSteps(bytes)?.includes(2 ** 20));
  assert.ok(roundSteps(unitOfName("a_milliseconds"))?.includes(60_000));
  assert.equal(roundSteps(unitOfName("a_volts")), undefined);
});
