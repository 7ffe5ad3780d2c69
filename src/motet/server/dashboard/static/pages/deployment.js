// One deployed app: its versions, and those that serve side by side.

import { count, seconds } from "../format.js";
import { badge, crumbs, heading, nothing, panel, scheduleTable, time } from "../parts.js";
import { throttled } from "../throttled.js";
import { h } from "../vdom.js";

const AGAIN = 2000; // milliseconds after which what ended lately is asked for again

export async function show(page) {
  let [deployed, { schedules }] = await load(page);
  page.title(deployed.name);
  const refresh = throttled(AGAIN, async () => {
    [deployed, { schedules }] = await load(page);
    page.redraw();
  });
  page.draw(() => {
    const { name, versions } = deployed;
    const serving = versions.filter((it) => it.state === "live" || it.state === "canary");
    return [
      crumbs(page, ["Apps", "/apps"]),
      heading("deployed", name, null, serving.length ? badge(serving.some((it) => it.state === "canary") ? "canary" : "live") : badge("stopped")),
      panel(serving.length > 1 ? "Side by side" : "Serving", serving.length ? sideBySide(serving) : nothing("No version serves.")),
      schedules.length ? panel("Next runs", scheduleTable(schedules)) : null,
      panel("Versions", history(versions)),
    ];
  });
  page.live({ topics: "views,changes" }, { views: refresh, changes: refresh, opened: refresh });
}

function load(page) {
  return Promise.all([page.get(`/deployments/${page.id}`), page.get("/schedules", { app: page.id })]);
}

const ROWS = [
  ["Share of calls", (it) => `${it.share} %`],
  ["Inputs in 5 minutes", (it) => (it.lately ? count(it.lately.inputs) : "–")],
  ["Error rate", (it) => percent(it.lately?.error_rate), (it) => it.lately?.failed > 0 && "fault-ink"],
  ["p50", (it) => seconds(it.lately?.p50)],
  ["p95", (it) => seconds(it.lately?.p95)],
  ["Running, waiting", (it) => `${count(it.running_inputs)}, ${count(it.waiting_inputs)}`],
  ["Containers", (it) => count(it.containers)],
];

function sideBySide(versions) {
  return h("div", { class: "scroll" }, h("table", { class: "versions" },
    h("thead", null, h("tr", null, h("td", null), versions.map((it) => h("th", { key: it.app_id, class: "number", scope: "col" }, link(it), " ", badge(it.state))))),
    h("tbody", null, ROWS.map(([name, text, look]) => h("tr", { key: name },
      h("th", { scope: "row" }, name), versions.map((it) => h("td", { key: it.app_id, class: `number ${(look && look(it)) || ""}` }, text(it))))))));
}

function history(versions) {
  return h("div", { class: "scroll" }, h("table", null,
    h("thead", null, h("tr", null, h("th", null, "Version"), h("th", null, "State"), h("th", null, "Deployed"), h("th", null, "By"),
      h("th", { class: "spare" }, "How"), h("th", null, "Tag"), h("th", { class: "spare" }, "Commit"), h("th", { class: "number spare" }, "Functions"))),
    h("tbody", null, versions.map((it) => h("tr", { key: String(it.version) },
      h("td", null, link(it)), h("td", null, badge(it.state), it.why && h("div", { class: "dim why", title: it.why }, lastLine(it.why))),
      h("td", null, time(it.deployed_at)), h("td", null, it.deployed_by),
      h("td", { class: "dim spare" }, it.source_version ? `${it.strategy}, as v${it.source_version}` : it.strategy), h("td", null, it.tag || "–"),
      h("td", { class: "spare" }, it.commit ? h("code", null, it.commit) : "–"),
      h("td", { class: "number spare" }, count(it.functions)))))));
}

function link(it) {
  return h("a", { href: `/apps/${it.app_id}`, "data-row": true }, `v${it.version}`);
}

function percent(share) {
  return share === null || share === undefined ? "–" : `${(share * 100).toFixed(share && share < 0.1 ? 1 : 0)} %`;
}

function lastLine(text) {
  return text.trim().split("\n").at(-1);
}
