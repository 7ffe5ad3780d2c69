// One function: its containers, its numbers over time, why it has as many containers as it has, and its bounds.

import { post } from "../api.js";
import { Chart } from "../chart.js";
import { carryOut, confirm } from "../dialog.js";
import { clock, count, rate, seconds, shortSeconds } from "../format.js";
import { badge, callTable, crumbs, facts, heading, idLink, nothing, panel, time } from "../parts.js";
import { Rates } from "../rates.js";
import { Series } from "../series.js";
import { legend, strips } from "../strips.js";
import { throttled } from "../throttled.js";
import { h } from "../vdom.js";

const SPANS = [["1m", "1 min"], ["5m", "5 min"], ["30m", "30 min"], ["6h", "6 h"], ["1d", "1 day"]];
const LENGTH = { "1m": 60, "5m": 300, "30m": 1800, "6h": 21_600, "1d": 86_400 };
const SETTINGS = [
  ["min_containers", "Min containers", "kept at all times", "1", 0],
  ["max_containers", "Max containers", "never more; empty: as many as the host allows", "1", 1],
  ["buffer_containers", "Buffer containers", "idle ones on top of demand", "1", 0],
  ["scaledown_window", "Scaledown window", "seconds an idle one stays, 2 to 3600", "any", 2],
];

export async function show(page) {
  const rates = new Rates();
  const charts = makeCharts();
  const series = new Series((filters) => page.get(`/functions/${page.id}/series`, filters));
  let data = await page.get(`/functions/${page.id}`);
  let { calls } = await page.get("/calls", { function: page.id, limit: 10 });
  let latest = null;
  const name = data.function.name;
  page.title(name);

  const refresh = throttled(1000, async () => {
    [data, { calls }] = await Promise.all([page.get(`/functions/${page.id}`), page.get("/calls", { function: page.id, limit: 10 })]);
    page.redraw();
  });
  const refreshCharts = throttled(1500, async () => {
    const { started_at: start, ended_at: end } = data.app;
    const found = await series.update(LENGTH[page.query.get("span")] ?? LENGTH["5m"], start, end);
    latest = found.latencies.at(-1) ?? latest;
    fillCharts(charts, found, data);
    page.redraw();
  });
  const setSpan = (span) => {
    page.setQuery({ span });
    refreshCharts();
    page.redraw();
  };
  page.draw(() => {
    const { view, settings } = data;
    return [
      crumbs(page, ["Apps", "/apps"], [data.app.name, `/apps/${data.function.app_id}`]),
      heading("function", name, data.function.function_id, !view && badge("ended")),
      view ? liveFacts(view, rates, latest) : facts(["Target inputs", data.function.target_inputs], ["Max inputs", data.function.max_inputs]),
      view && panel("Containers", [view.shortage && h("p", { class: "warning" }, view.shortage), strips(view), legend()]),
      panel("Over time", h("div", { class: "charts" }, Object.values(charts).map((chart) => chart.node)),
        h("div", { class: "chips", role: "group", "aria-label": "Span" }, SPANS.map(([span, text]) =>
          h("button", { type: "button", class: "chip", "aria-pressed": String((page.query.get("span") ?? "5m") === span), onclick: () => setSpan(span) }, text)))),
      h("div", { class: "columns" },
        panel("Why this many containers", [view?.last_decision && h("p", { class: "now" }, h("span", { class: "dim" }, "Now: "), view.last_decision), decisionTable(data.decisions)]),
        view && settings && panel("Autoscaler", settingsForm(page, settings, name, (changed) => {
          data.settings = changed;
          page.redraw();
        }))),
      panel("Latest calls", callTable(calls, { withFunction: false }), h("a", { href: `/calls?function=${page.id}` }, "All calls"), h("a", { href: `/logs?function=${page.id}` }, "Logs")),
      panel("Containers so far", containerTable(data.containers)),
    ];
  });
  await refreshCharts();
  page.live({ topics: "views,changes" }, {
    views({ apps }) {
      const view = apps.flatMap((app) => app.functions).find((each) => each.function_id === page.id);
      if (view) {
        rates.note([view]);
        data.view = view;
        page.redraw();
      } else if (data.view) refresh();
    },
    changes({ changed }) {
      if (changed.some((what) => ["containers", "decisions", "calls", "inputs"].includes(what))) refresh();
      if (changed.includes("samples")) refreshCharts();
    },
    opened: refresh,
  });
}

function liveFacts(view, rates, latest) {
  return facts(
    ["Waiting", count(view.waiting_inputs)],
    ["Running", count(view.running_inputs)],
    ["Per second", rate(rates.of(view.function_id))],
    latest && ["Latency p50", seconds(latest.p50)],
    latest && ["p95", seconds(latest.p95)],
    ["Containers", count(view.containers.length)],
    ["Succeeded", count(view.succeeded_inputs)],
    ["Failed", count(view.failed_inputs), { class: view.failed_inputs ? "ink failure" : "" }],
    view.cancelled_inputs && ["Cancelled", count(view.cancelled_inputs)]);
}

function makeCharts() {
  const whole = (value) => (value >= 10_000 ? `${rate(value / 1000)}k` : value >= 10 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1));
  return {
    inputs: new Chart("Inputs", [{ name: "waiting", color: "waiting", kind: "area" }, { name: "running", color: "running", kind: "step" }], whole),
    containers: new Chart("Containers", [{ name: "ready", color: "ready", kind: "area" }, { name: "starting", color: "starting", kind: "step" }, { name: "wanted", color: "wanted", kind: "step" }], whole),
    rate: new Chart("Ended per second", [{ name: "succeeded", color: "success", kind: "area" }, { name: "failed", color: "failure", kind: "step" }], whole),
    latency: new Chart("Latency", [{ name: "p95", color: "burst", kind: "line" }, { name: "p50", color: "running", kind: "line" }], (value) => (value ? shortSeconds(value) : "0")),
  };
}

function fillCharts(charts, { since, until, samples, latencies }, data) {
  const of = (field) => [...samples.map((sample) => [sample.at, sample[field]])];
  const isLive = data.view !== null;
  const held = (points) => (points.length && isLive ? [...points, [until, points.at(-1)[1]]] : points);
  charts.inputs.update(since, until, [held(of("waiting_inputs")), held(of("running_inputs"))]);
  const wanted = data.decisions.map((decision) => [decision.at, decision.desired]);
  charts.containers.update(since, until, [held(of("ready_containers")), held(of("starting_containers")), held(wanted)]);
  charts.rate.update(since, until, [perSecond(samples, "succeeded_inputs", until), perSecond(samples, "failed_inputs", until)]);
  charts.latency.update(since, until, [latencies.map(({ at, p95 }) => [Math.min(at, until), p95]), latencies.map(({ at, p50 }) => [Math.min(at, until), p50])]);
}

/** Steps of a total, as rates; where there was no sample for a while, nothing happened. */
function perSecond(samples, field, until) {
  const points = [];
  for (let index = 1; index < samples.length; index++) {
    const [before, after] = [samples[index - 1], samples[index]];
    const length = Math.max(after.at - before.at, 0.001);
    // Samples come each second while something changes: what came after a gap came in its last second.
    const busy = Math.min(length, Math.max(1.5, (until - samples[0].at) / 300));
    if (busy < length) points.push([before.at, 0]);
    points.push([after.at - busy, (after[field] - before[field]) / busy]);
  }
  const last = samples.at(-1);
  if (last && until - last.at > 2.5) points.push([last.at, 0], [until, 0]);
  else if (points.length) points.push([until, points.at(-1)[1]]);
  return points;
}

function decisionTable(decisions) {
  if (!decisions.length) return nothing("No decision is kept.");
  return h("div", { class: "scroll low" }, h("table", null,
    h("thead", null, h("tr", null, h("th", null, "Time"), h("th", { class: "number" }, "Containers"), h("th", null, "Why"), h("th", { class: "number spare" }, "Waiting"), h("th", { class: "number spare" }, "Running"))),
    h("tbody", null, decisions.toReversed().map((decision, index) => h("tr", { key: `${decision.at} ${decisions.length - index}` },
      h("td", null, h("time", null, clock(decision.at, true))),
      h("td", { class: "number" }, h("span", { class: "dim", title: `${decision.live} there were, ${decision.starting} of them starting` }, `${decision.live} → `), h("b", null, decision.desired)),
      h("td", { class: "wrap" }, decision.reason),
      h("td", { class: "number spare" }, count(decision.waiting_inputs)),
      h("td", { class: "number spare" }, count(decision.running_inputs)))))));
}

function settingsForm(page, settings, name, onChanged) {
  const submit = async (event) => {
    event.preventDefault();
    const change = {};
    for (const [field] of SETTINGS) {
      const text = event.target.elements[field].value;
      if (text !== "" && Number(text) !== settings[field]) change[field] = Number(text);
    }
    const lines = Object.entries(change).map(([field, value]) => `${field}: ${settings[field] ?? "no limit"} → ${value}`);
    if (!lines.length) return;
    if (!(await confirm({ title: `Change how ${name} scales?`, text: lines, action: "Change" }))) return;
    const answer = await carryOut(() => post(`/functions/${page.id}/autoscaler`, change), "Changed.");
    if (answer) onChanged(answer.settings);
  };
  return h("form", { class: "settings", onsubmit: submit, key: JSON.stringify(settings) },
    SETTINGS.map(([field, label, hint, step, least]) => h("label", null, h("span", null, label, h("small", null, hint)),
      h("input", { name: field, type: "number", min: least, step, value: settings[field] ?? "", placeholder: "no limit" }))),
    h("button", { class: "primary" }, "Change…"));
}

function containerTable(containers) {
  if (!containers.length) return nothing("None yet.");
  return h("div", { class: "scroll low" }, h("table", null,
    h("thead", null, h("tr", null, h("th", null, "Container"), h("th", null, "State"), h("th", null, "Level"), h("th", null, "Started"), h("th", { class: "number" }, "Cold start"), h("th", { class: "number spare" }, "Lived"), h("th", { class: "spare" }, "Why it was started"), h("th", { class: "spare" }, "How it ended"))),
    h("tbody", null, containers.map((each) => h("tr", { key: each.container_id },
      h("td", null, idLink(each.container_id, { "data-row": true })),
      h("td", null, badge(each.state)),
      h("td", { title: "isolation level" }, each.isolation || "–"),
      h("td", null, time(each.started_at)),
      h("td", { class: "number" }, each.ready_at ? seconds(each.ready_at - each.wanted_at) : "–"),
      h("td", { class: "number spare" }, each.ended_at ? seconds(each.ended_at - each.started_at) : "–"),
      h("td", { class: "wrap dim spare" }, each.reason),
      h("td", { class: "wrap dim spare" }, each.end))))));
}

