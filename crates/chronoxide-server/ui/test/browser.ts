/**
 * The page in a real browser, against a real server with data that is known.
 *
 * Arguments: the server's address, a directory for screenshots, the path of a Chromium. The data are those of
 * `tests/system/page.rs`.
 */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type BrowserContext, chromium, type Page } from "playwright-core";

const [base = "", shots = "", executablePath = ""] = process.argv.slice(2);

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** What the browser complained of, and what it asked of others than the server. */
const complaints: string[] = [];

/** Answers with these codes are what a step wants; browsers complain of them all the same. */
let expectedFailures = 0;

const profiles: string[] = [];

async function open(look: { dark?: boolean; width?: number; height?: number; touch?: boolean } = {}): Promise<{ context: BrowserContext; page: Page }> {
  const profile = mkdtempSync(join(tmpdir(), "chronoxide-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: FLAGS,
    viewport: { width: look.width ?? 1280, height: look.height ?? 860 },
    colorScheme: look.dark === true ? "dark" : "light",
    hasTouch: look.touch === true,
    isMobile: look.touch === true,
  });
  context.setDefaultTimeout(20_000);
  profiles.push(profile);
  await context.addInitScript(() => {
    const drawn: string[] = [];
    Object.assign(window, { drawn });
    const { fillText } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.fillText = function (text: string, ...place: [number, number, number?]): void {
      drawn.push(text);
      fillText.call(this, text, ...place);
    };
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI}`);
    });
  });
  const page = context.pages()[0] ?? (await context.newPage());
  page.on("pageerror", (error) => complaints.push(`exception: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    // The tests read the canvas; the page does not.
    if (message.text().startsWith("Canvas2D: Multiple readback")) return;
    if (message.text().includes("status of 4") && expectedFailures > 0) expectedFailures -= 1;
    else complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${base}/`) && !url.startsWith("data:")) complaints.push(`asked elsewhere: ${url}`);
  });
  return { context, page };
}

const link = (expressions: string[], more = ""): string =>
  `${base}/#/query?${expressions.map((text) => `expr=${encodeURIComponent(text)}`).join("&")}${more}`;

async function goto(page: Page, url: string): Promise<void> {
  // A change of nothing but what follows # loads nothing; a fresh load is wanted.
  await page.goto("about:blank");
  await page.goto(url);
}

/** Names and values of the legend, as shown. */
async function legend(page: Page): Promise<string[][]> {
  await page.locator(".legend tbody tr").first().waitFor();
  return page.locator(".legend tbody tr").evaluateAll((rows) =>
    rows.map((row) => [...(row as HTMLTableRowElement).cells].map((cell) => cell.textContent ?? "")),
  );
}

/** How many points of the graph's canvas have a colour that is no grey: lines and cells, not axes and grid. */
function colouredPixels(page: Page): Promise<number> {
  return page.locator(".plot canvas").evaluate((canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    const pixels = (canvas as HTMLCanvasElement).getContext("2d")?.getImageData(0, 0, width, height).data ?? [];
    let coloured = 0;
    for (let at = 0; at + 3 < pixels.length; at += 4) {
      const [red = 0, green = 0, blue = 0, alpha = 0] = pixels.slice(at, at + 4);
      if (alpha > 100 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) coloured += 1;
    }
    return coloured;
  });
}

/** Texts along the axes of the last graph that was drawn, and of those before it. */
const drawnTexts = (page: Page): Promise<string[]> => page.evaluate(() => (window as unknown as { drawn: string[] }).drawn);

const overflow = (page: Page): Promise<number> => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
const shot = (page: Page, name: string): Promise<Buffer> => page.screenshot({ path: join(shots, `${name}.png`) });

const TEMPERATURES: readonly (readonly [string, string])[] = [["attic", "21.5 °C"], ["cellar", "12.25 °C"], ["kitchen", "19 °C"]];

async function firstStart(page: Page): Promise<void> {
  await page.goto(base);
  const card = page.getByRole("button", { name: "Memory of the server" });
  await card.waitFor();
  await shot(page, "start");
  await card.click();
  const rows = await legend(page);
  assert.equal(rows.length, 1);
  assert.match(rows[0]?.[1] ?? "", /^\d+(\.\d+)? MiB$/, "resident memory is some megabytes");
  assert.match(page.url(), /expr=process_resident_memory_bytes/);
}

async function typing(page: Page): Promise<void> {
  await goto(page, base);
  const editor = page.getByRole("textbox", { name: "Expression A" });
  await editor.click();
  await page.keyboard.type("fleet_temp", { delay: 30 });
  const option = page.locator(".cm-tooltip-autocomplete li", { hasText: "fleet_temperature_celsius" });
  await option.waitFor();
  await page.waitForTimeout(200);
  await shot(page, "completion");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector(".editor")?.shadowRoot?.querySelector(".cm-content")?.textContent === "fleet_temperature_celsius");
  await page.keyboard.type("{ro", { delay: 30 });
  await page.locator(".cm-tooltip-autocomplete li", { hasText: "room" }).first().waitFor();
  // For a moment after the list appears keys are still meant for the text.
  await page.waitForTimeout(200);
  await page.keyboard.press("Enter");
  await page.keyboard.type('!=""', { delay: 30 });
  await page.keyboard.press("Shift+Enter");
  const rows = await legend(page);
  assert.deepEqual(rows.map(([name, last]) => [/room="(\w+)"/.exec(name ?? "")?.[1], last]), TEMPERATURES);
  for (const [, last, min, mean, max] of rows) assert.deepEqual([min, mean, max], [last, last, last], "the temperatures are constant");
  assert.equal(await page.locator(".plot").getAttribute("data-series"), "3");
  assert.ok((await colouredPixels(page)) > 1000, "lines are drawn");
  // Highlighting has given the name and the text their own colours.
  const colours = await page.locator(".editor .cm-line span").evaluateAll((spans) => new Set(spans.map((span) => getComputedStyle(span).color)).size);
  assert.ok(colours >= 2, `${colours} colours`);
}

async function cursorAndLegend(page: Page): Promise<void> {
  await goto(page, link(["fleet_temperature_celsius"], "&last=30m"));
  await legend(page);
  const box = await page.locator(".plot .u-over").boundingBox();
  assert.ok(box !== null);
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  const head = page.locator(".legend th").nth(1);
  assert.match((await head.textContent()) ?? "", /^\d\d:\d\d:\d\d$/, "the legend tells the time under the cursor");
  assert.equal((await legend(page))[0]?.[1], "21.5 °C");
  await shot(page, "graph");
  await page.mouse.move(box.x + 20, box.y + box.height + 200);

  const attic = page.locator(".legend-name", { hasText: "attic" });
  const all = await colouredPixels(page);
  await attic.click();
  assert.deepEqual(await page.locator(".legend-name").evaluateAll((names) => names.map((name) => name.getAttribute("aria-pressed"))), ["true", "false", "false"]);
  await page.waitForTimeout(100);
  assert.ok((await colouredPixels(page)) < all, "two of three lines are gone");
  await attic.click();
  assert.equal(await page.locator(".legend-name[aria-pressed=true]").count(), 3);
  const before = (await drawnTexts(page)).length;
  await page.getByRole("button", { name: "Stacked" }).click();
  await page.waitForTimeout(100);
  assert.ok((await drawnTexts(page)).slice(before).includes("0"), "areas stand on zero, or they mislead");
  assert.ok((await colouredPixels(page)) > all, "areas are filled");
  await shot(page, "stacked");
}

async function severalExpressions(page: Page): Promise<void> {
  const wanted = ['sum(rate(answer_seconds_count[2m]))', 'sum(rate(answer_seconds_bucket{le="+Inf"}[2m]))'];
  await goto(page, link(wanted, "&last=30m"));
  assert.deepEqual((await legend(page)).map(([name]) => name), wanted.map((text, index) => `${"AB"[index]}${text}`));
  // Without names of their own they are still two: one hides without the other.
  await page.locator(".legend-name").nth(1).click({ modifiers: ["Control"] });
  assert.deepEqual(await page.locator(".legend-name").evaluateAll((names) => names.map((name) => name.getAttribute("aria-pressed"))), ["true", "false"]);
}

async function unitsOfAxes(page: Page): Promise<void> {
  const axes: readonly (readonly [string[], RegExp])[] = [
    [["fleet_temperature_celsius"], /^[\d.]+ °C$/],
    [["process_resident_memory_bytes"], /^[\d.]+ MiB$/],
    [["histogram_quantile(0.5, sum by (le) (rate(answer_seconds_bucket[2m])))"], /^[\d.]+ ms$/],
    [["sum(rate(answer_seconds_count[2m]))"], /^[\d.]+\/s$/],
  ];
  const hasUnit = (text: string): boolean => /[^\d.:\s-]/.test(text);
  for (const [expressions, unit] of axes) {
    await goto(page, link(expressions, "&last=15m"));
    await legend(page);
    const texts = (await drawnTexts(page)).filter((text) => text !== "0" && !/^\d\d:\d\d|^\d\d-\d\d/.test(text));
    assert.ok(texts.length >= 2 && texts.every((text) => unit.test(text)), `${expressions.join()}: ${texts.join()}`);
  }
  // An axis of two units has none; the legend tells each.
  await goto(page, link(["fleet_temperature_celsius", "sum(rate(answer_seconds_count[2m]))"], "&last=15m"));
  const rows = await legend(page);
  assert.deepEqual(rows.map(([, last]) => last?.replace(/[\d.]+/, "")), [" °C", " °C", " °C", "/s"]);
  const texts = await drawnTexts(page);
  assert.ok(texts.length > 4 && !texts.some(hasUnit), texts.join());
}

async function keyboard(page: Page): Promise<void> {
  await goto(page, link(["fleet_temperature_celsius"], "&last=30m"));
  await legend(page);
  const focused = (): Promise<string> =>
    page.evaluate(() => `${document.activeElement?.getAttribute("aria-label") ?? ""} ${document.activeElement?.textContent ?? ""}`.trim());
  const tabTo = async (wanted: RegExp): Promise<void> => {
    for (let presses = 0; presses < 30; presses += 1) {
      if (wanted.test(await focused())) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`Tab does not lead to ${wanted}, but to ${await focused()}`);
  };
  await page.getByRole("textbox", { name: "Expression A" }).click();
  await page.keyboard.press("Escape");
  await tabTo(/^Run$/);
  await tabTo(/^Time range/);
  await page.keyboard.press("Enter");
  await page.locator(".panel").waitFor();
  await tabTo(/^Last 1h$/);
  await page.keyboard.press("Enter");
  await page.waitForURL(/last=1h/);
  await legend(page);
  await tabTo(/attic/);
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(".legend-name[aria-pressed=true]").count(), 1);
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement ?? document.body).outlineStyle);
  assert.notEqual(outline, "none", "what has the focus is seen");
}

async function ranges(page: Page): Promise<void> {
  await goto(page, link(["fleet_temperature_celsius"]));
  await legend(page);
  await page.getByRole("button", { name: /Time range/ }).click();
  await shot(page, "range");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".panel").count(), 0, "Escape closes the panel");
  await page.getByRole("button", { name: /Time range/ }).click();
  await page.getByRole("button", { name: "Last 1h", exact: true }).click();
  await page.waitForURL(/last=1h/);
  await page.getByText("step 10s").waitFor();

  const box = await page.locator(".plot .u-over").boundingBox();
  assert.ok(box !== null);
  await page.mouse.move(box.x + box.width * 0.5, box.y + 50);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + 60, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/from=\d+&to=\d+/);
  const form = new URLSearchParams(page.url().split("?")[1]);
  const length = Number(form.get("to")) - Number(form.get("from"));
  assert.ok(Math.abs(length - 900) < 60, `a quarter of an hour was chosen: ${length} s`);
  // A double click takes the zoom back; another one widens what no zoom made.
  await legend(page);
  await page.mouse.dblclick(box.x + box.width * 0.3, box.y + 60);
  await page.waitForURL(/last=1h/);
  await page.getByText("step 10s").waitFor();
  await page.mouse.dblclick(box.x + box.width * 0.3, box.y + 60);
  await page.waitForURL(/last=2h/);
  await page.goBack();
  await page.waitForURL(/last=1h/);
  await page.goBack();
  await page.waitForURL(/from=\d+&to=\d+/);
  await page.goBack();
  await page.waitForURL(/last=1h/);
  const step = page.getByLabel("Step");
  await step.fill("1m");
  await step.press("Enter");
  await page.getByText("step 1m").waitFor();
  assert.match(page.url(), /step=1m/);
}

async function tables(page: Page): Promise<void> {
  await goto(page, link(["fleet_temperature_celsius", "count(fleet_temperature_celsius)"]));
  await legend(page);
  assert.equal(await page.locator(".legend tbody tr").count(), 4);
  await page.getByRole("button", { name: "Table" }).click();
  const value = page.locator(".table-result").nth(1).locator(".value");
  await value.waitFor();
  assert.equal(await value.textContent(), "3");
  await page.locator(".table-result").first().getByRole("button", { name: /Value/ }).click();
  const values = await page.locator(".table-result").first().locator("tbody .value").allTextContents();
  assert.deepEqual(values, ["21.5", "19", "12.25"], "sorted by value");
  await shot(page, "table");
}

async function troubles(page: Page): Promise<void> {
  expectedFailures = 1;
  await goto(page, link(["sum(", "rate(fleet_temperature_celsius[5m])"]));
  const error = page.getByRole("alert");
  await error.waitFor();
  assert.match((await error.textContent()) ?? "", /bad_data.*parse error/);
  await page.getByText(/might not be a counter/).waitFor();
  await shot(page, "errors");
  await page.getByRole("button", { name: "Remove expression A" }).click();
  await error.waitFor({ state: "detached" });
  assert.equal(await page.getByRole("textbox").count(), 2, "one editor and the step");
  await goto(page, link(["rate(there_is_none[1m])"]));
  await page.getByText("No series in this range").waitFor();
}

async function heatmaps(page: Page): Promise<void> {
  await goto(page, link(["sum by (le) (rate(answer_seconds_bucket[2m]))"], "&last=30m"));
  const cells = async (): Promise<number> => Number(await page.locator(".plot").getAttribute("data-cells"));
  await page.locator(".plot[data-cells]").waitFor();
  assert.ok((await cells()) > 300, "three buckets at more than a hundred steps");
  assert.ok((await colouredPixels(page)) > 10_000, "cells are drawn");
  const box = await page.locator(".plot .u-over").boundingBox();
  assert.ok(box !== null);
  await page.mouse.move(box.x + box.width * 0.6, box.y + box.height * 0.9);
  const tooltip = page.locator(".tooltip");
  await tooltip.waitFor();
  // Of 10 answers in 15 s, 5 take up to 0.1 s, 3 up to 0.5 s and 2 longer.
  assert.match((await tooltip.textContent()) ?? "", /0 s – 100 ms: 0\.3333\/s \(50/);
  await shot(page, "heatmap_classic");
  await goto(page, link(["rate(payload_size_bytes[2m])"], "&last=15m"));
  await page.locator(".plot[data-cells]").waitFor();
  assert.ok((await cells()) > 100);
  await shot(page, "heatmap_native");
  await goto(page, link(["payload_size_bytes"], "&tab=table"));
  await page.locator(".bar-row").first().waitFor();
  assert.deepEqual(await page.locator(".bar-row span:first-child.number").allTextContents(), ["32 B – 64 B", "64 B – 128 B", "128 B – 256 B"]);
  await shot(page, "histogram_table");
}

async function exemplarMarks(page: Page): Promise<void> {
  const graphs: readonly (readonly [string, string, RegExp])[] = [
    ["exemplars", "histogram_quantile(0.75, sum by (le) (rate(answer_seconds_bucket[2m])))", /Exemplar 300 ms.*trace_id: 4bf92f3577b34da6a3ce929d0e0e4736.*le="0\.5"/],
    ["exemplars_classic", "sum by (le) (rate(answer_seconds_bucket[2m]))", /Exemplar 300 ms.*span_id: 00f067aa0ba902b7/],
    ["exemplars_native", "rate(payload_size_bytes[2m])", /Exemplar 100 B.*trace_id: 4bf92f3577b34da6a3ce929d0e0e4736.*payload_size_bytes/],
  ];
  for (const [name, text, wanted] of graphs) {
    const asked = page.waitForRequest(/query_exemplars/);
    await goto(page, link([text], "&last=30m&exemplars=1"));
    const form = new URLSearchParams((await asked).postData() ?? "");
    await page.getByText("1 exemplar").waitFor();
    const answer = await page.request.post(`${base}/api/v1/query_exemplars`, { form: Object.fromEntries(form) });
    const { data } = (await answer.json()) as { data: { exemplars: { timestamp: number }[] }[] };
    const [start, end] = [Number(form.get("start")), Number(form.get("end"))];
    await pointAtMark(page, ((data[0]?.exemplars[0]?.timestamp ?? NaN) - start) / (end - start));
    assert.match((await page.locator(".tooltip").textContent()) ?? "", wanted);
    await shot(page, name);
  }
  await page.getByLabel("Exemplars").uncheck();
  await page.getByText("1 exemplar").waitFor({ state: "detached" });
}

/** Moves the cursor onto a mark at a share of the width of the graph, wherever it is in height. */
async function pointAtMark(page: Page, share: number): Promise<void> {
  assert.ok(share > 0 && share < 1, `the exemplar is on the graph: ${share}`);
  const box = await page.locator(".plot .u-over").boundingBox();
  assert.ok(box !== null);
  for (let y = 0; y < box.height; y += 6) {
    await page.mouse.move(box.x + box.width * share, box.y + y);
    if ((await page.locator(".tooltip").textContent())?.includes("Exemplar") === true) return;
  }
  assert.fail("no mark is drawn there");
}

async function links(page: Page): Promise<void> {
  await goto(page, link(["fleet_temperature_celsius", "up"], "&hide=1&last=2h&draw=stacked&refresh=1m&step=30s"));
  assert.equal((await legend(page)).length, 3, "a hidden expression is not asked");
  assert.equal(await page.getByRole("button", { name: "Stacked" }).getAttribute("aria-pressed"), "true");
  assert.equal(await page.getByLabel("Step").inputValue(), "30s");
  assert.equal(await page.getByLabel("Refresh").inputValue(), "60");
  await page.getByRole("button", { name: /Last 2h/ }).waitFor();
}

async function refreshes(page: Page): Promise<void> {
  await goto(page, link(["chronoxide_head_samples"], "&last=5m"));
  await legend(page);
  const again = page.waitForRequest(/query_range/);
  await page.getByLabel("Refresh").selectOption({ label: "5s" });
  await again;
  await page.waitForRequest(/query_range/);
  assert.match(page.url(), /refresh=5s/);
}

async function metricsPage(page: Page): Promise<void> {
  await goto(page, `${base}/#/metrics`);
  await page.getByLabel("Search metrics").fill("request duration");
  await page.getByRole("button", { name: /chronoxide_http_request_duration_seconds_bucket/ }).click();
  await page.getByRole("heading", { name: "chronoxide_http_request_duration_seconds_bucket" }).waitFor();
  await page.locator(".chip", { hasText: "/api/v1/query_range" }).first().click();
  await page.getByText(/"\/api\/v1\/query_range"/).first().waitFor();
  await shot(page, "metrics");
  await page.getByRole("link", { name: /95th percentile/ }).click();
  await page.waitForURL(/#\/query/);
  const rows = await legend(page);
  assert.equal(rows.length, 1);
  assert.match(rows[0]?.[4] ?? "", /^[1-9][\d.]* (µs|ms|s)$/, "a latency");
}

async function cardinalityPage(page: Page): Promise<void> {
  await page.getByRole("link", { name: "Cardinality" }).click();
  const rows = page.locator(".count-table").first().locator("tbody tr");
  await rows.first().waitFor();
  const counts = await rows.locator("td.number").allTextContents();
  const numbers = counts.map((text) => Number(text.replace(/\s/g, "")));
  assert.ok(numbers.length === 10 && numbers.every((number, index) => number <= (numbers[index - 1] ?? Infinity)), counts.join());
  await page.getByText("New in the last hour").waitFor();
  await shot(page, "cardinality");
  await page.getByRole("link", { name: "room", exact: true }).or(page.getByRole("link", { name: "le", exact: true })).first().click();
  await page.locator(".data tbody tr").first().waitFor();
}

async function statusPage(page: Page): Promise<void> {
  await page.getByRole("link", { name: "Status" }).click();
  const tile = (title: string) => page.locator(".tile", { has: page.getByText(title, { exact: true }) }).locator(".tile-value");
  await page.getByText(/of .* budget/).waitFor();
  assert.match((await tile("Memory").textContent()) ?? "", /MiB|GiB/);
  // The server looks at itself every now and then, and a rate takes two looks.
  const isTold = (): boolean => [...document.querySelectorAll(".tile")].some((one) => /Samples taken in\d/.test(one.textContent ?? ""));
  await page.waitForFunction(isTold, undefined, { timeout: 60_000 });
  const refused = page.locator(".status-section", { hasText: "Samples refused lately" });
  await refused.getByText("too_old").first().waitFor();
  await refused.getByText(/refused_metric/).waitFor();
  const partitions = page.locator(".status-section", { hasText: "Disk by partition" }).locator("tbody tr");
  await partitions.first().waitFor();
  // A bar stands beside the numbers it is for.
  const offsets = await partitions.evaluateAll((rows) => rows.map((row) => {
    const middle = (element: Element | null): number => {
      const { top = NaN, height = NaN } = element?.getBoundingClientRect() ?? {};
      return top + height / 2;
    };
    return middle(row.querySelector(".bar")) - middle(row);
  }));
  assert.ok(offsets.every((offset) => Math.abs(offset) < 2), `bars are ${offsets.join()} px off`);
  await page.locator(".status-section", { hasText: "Slowest queries" }).getByText(/fleet_temperature_celsius/).first().waitFor();
  // The bars of a row of tiles are level.
  const bars = await page.locator(".tile .meter").evaluateAll((meters) => meters.map((meter) => {
    const [bar, tile] = [meter.getBoundingClientRect(), (meter.closest(".tile") ?? meter).getBoundingClientRect()];
    return [tile.top, bar.top];
  }));
  const rows = new Map<number, Set<number>>();
  for (const [tile = 0, bar = 0] of bars) rows.set(Math.round(tile), (rows.get(Math.round(tile)) ?? new Set()).add(Math.round(bar)));
  assert.ok(bars.length >= 3 && [...rows.values()].every((tops) => tops.size === 1), JSON.stringify(bars));
  await page.screenshot({ path: join(shots, "status.png"), fullPage: true });
}

async function markup(page: Page): Promise<void> {
  const text = '<img src="x" onerror="throw 1">';
  const escaped = JSON.stringify(text);
  for (const url of [
    link(["markup"], "&last=15m"),
    link(["markup"], "&last=15m&tab=table"),
    `${base}/#/metrics?metric=markup`,
    link([`markup{text=${escaped}}`, "label_replace(markup, \"le\", \"<b>\", \"\", \"\")"], "&tab=table"),
    `${base}/#/cardinality`,
  ]) {
    await goto(page, url);
    if (url.includes("cardinality")) await page.locator(".count-table tbody tr").first().waitFor();
    else await page.locator("main").getByText(text.slice(0, 8)).first().waitFor();
    const plot = await page.locator(".plot .u-over").boundingBox({ timeout: 500 }).catch(() => null);
    if (plot !== null) {
      await page.mouse.move(plot.x + plot.width / 2, plot.y + plot.height / 2);
      await page.locator(".tooltip", { hasText: "onerror" }).waitFor();
    }
    assert.equal(await page.locator("img").count(), 0, "labels are text");
  }
}

/** Would take minutes, over nothing but time; ends when nobody waits for it. */
const LONG = "sum_over_time(quantile_over_time(0.5, vector(time() % 7)[20000s:1s])[20000s:1s])";

async function activeQueries(page: Page): Promise<void> {
  const client = new AbortController();
  const asked = fetch(`${base}/api/v1/query?query=${encodeURIComponent(LONG)}`, { signal: client.signal }).catch((error: unknown) => error);
  await goto(page, `${base}/#/status`);
  const section = page.locator(".status-section", { hasText: "Queries under way" });
  await section.locator("a", { hasText: LONG }).waitFor();
  client.abort();
  assert.equal(((await asked) as Error).name, "AbortError");
  // The page asks again every ten seconds.
  await section.getByText("None at this moment").waitFor();
  await page.locator(".status-section", { hasText: "Slowest queries" }).getByText(/cancel/).first().waitFor();
}

async function themes(page: Page): Promise<void> {
  await goto(page, link(["fleet_temperature_celsius"]));
  await legend(page);
  const background = (): Promise<string> => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await background();
  const button = page.getByRole("button", { name: /^Colours/ });
  await button.click();
  assert.equal(await background(), light, "light was chosen while the system is light");
  await button.click();
  assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
  assert.notEqual(await background(), light);
  await page.reload();
  await legend(page);
  assert.notEqual(await background(), light, "the choice is kept");
  await shot(page, "dark");
  await button.click();
  assert.equal(await background(), light);
}

async function prefix(page: Page): Promise<void> {
  const paths: string[] = [];
  page.on("request", (request) => paths.push(new URL(request.url()).pathname));
  await page.goto("about:blank");
  paths.length = 0;
  await page.goto(`${base}/prometheus#/query?expr=fleet_temperature_celsius`);
  assert.equal((await legend(page)).length, 3);
  const strays = paths.filter((path) => path.startsWith("/") && !path.startsWith("/prometheus"));
  assert.deepEqual(strays, [], "everything is asked for below the prefix");
}

async function darkSystem(): Promise<void> {
  const { context, page } = await open({ dark: true });
  await page.goto(link(["sum by (le) (rate(answer_seconds_bucket[2m]))"], "&last=30m"));
  await page.locator(".plot[data-cells]").waitFor();
  assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
  await shot(page, "dark_heatmap");
  for (const name of ["metrics", "cardinality", "status"]) {
    await page.goto(`${base}/#/${name}`);
    await page.locator("main h1").waitFor();
    await page.waitForTimeout(700);
    await shot(page, `dark_${name}`);
  }
  await context.close();
}

async function phone(): Promise<void> {
  const { context, page } = await open({ width: 375, height: 740, touch: true });
  const pages: readonly (readonly [string, string])[] = [
    ["start", base],
    ["graph", link(["fleet_temperature_celsius", "rate(answer_seconds_count[5m])"])],
    ["heatmap", link(["sum by (le) (rate(answer_seconds_bucket[2m]))"], "&last=30m")],
    ["table", link(["payload_size_bytes"], "&tab=table")],
    ["metrics", `${base}/#/metrics`],
    ["metric", `${base}/#/metrics?metric=chronoxide_http_requests_total`],
    ["cardinality", `${base}/#/cardinality`],
    ["status", `${base}/#/status`],
  ];
  for (const [name, url] of pages) {
    await goto(page, url);
    await page.locator("main").waitFor();
    await page.waitForTimeout(900);
    await page.screenshot({ path: join(shots, `phone_${name}.png`), fullPage: name !== "metrics" });
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), "BODY", "no keyboard comes up by itself");
    assert.ok((await overflow(page)) <= 0, `${name} is ${await overflow(page)} px too wide for a phone`);
  }
  await goto(page, link(["fleet_temperature_celsius"]));
  await page.getByRole("button", { name: /Time range/ }).click();
  assert.ok((await overflow(page)) <= 0, "the panel of the range fits");
  await shot(page, "phone_range");
  await page.getByRole("button", { name: "Last 1h", exact: true }).tap();
  await page.waitForURL(/last=1h/);
  await page.locator(".legend-name", { hasText: "attic" }).tap();
  assert.equal(await page.locator(".legend-name[aria-pressed=true]").count(), 1);
  await context.close();
}

mkdirSync(shots, { recursive: true });
const { context, page } = await open();
const steps: readonly (readonly [string, () => Promise<void>])[] = [
  ["a first start shows a graph after one click", () => firstStart(page)],
  ["a query is typed with completion and drawn", () => typing(page)],
  ["the legend follows the cursor, hides and shows", () => cursorAndLegend(page)],
  ["series of several expressions are told apart", () => severalExpressions(page)],
  ["axes have the unit of what they show", () => unitsOfAxes(page)],
  ["a graph is used without a mouse", () => keyboard(page)],
  ["the range is chosen, dragged and restored", () => ranges(page)],
  ["tables show values and sort them", () => tables(page)],
  ["errors, remarks and empty answers are told", () => troubles(page)],
  ["histograms are heatmaps and bars", () => heatmaps(page)],
  ["exemplars are marks that tell their labels", () => exemplarMarks(page)],
  ["a link restores the view", () => links(page)],
  ["a graph refreshes itself", () => refreshes(page)],
  ["the metrics page leads to queries", () => metricsPage(page)],
  ["the cardinality page shows where series come from", () => cardinalityPage(page)],
  ["the status page shows how the server is", () => statusPage(page)],
  ["the status page shows queries under way", () => activeQueries(page)],
  ["labels are text and never markup", () => markup(page)],
  ["light and dark are chosen and kept", () => themes(page)],
  ["everything works below a prefix", () => prefix(page)],
  ["a dark system gets dark pages", darkSystem],
  ["a phone shows every page", phone],
];
let failed = 0;
for (const [name, run] of steps) {
  try {
    await run();
    assert.deepEqual(complaints.splice(0), [], "the browser complained");
    console.log(`ok: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED: ${name}\n${error instanceof Error ? error.stack : String(error)}`);
    await shot(page, `failed_${failed}`).catch(() => undefined);
    complaints.length = 0;
  }
}
await context.close();
for (const profile of profiles) {
  try {
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  } catch {
    // A process of the browser may still write while it ends; the directory is one for temporary files.
  }
}
console.log(`${steps.length - failed} of ${steps.length} steps passed`);
process.exitCode = failed === 0 ? 0 : 1;
