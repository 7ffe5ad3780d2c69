// One container: its life in phases, what it runs and has run, and what it wrote.

import { post } from "../api.js";
import { carryOut, confirm } from "../dialog.js";
import { count, now, seconds } from "../format.js";
import { embeddedLog } from "../log_lines.js";
import { badge, crumbs, facts, heading, idLink, nothing, panel, time } from "../parts.js";
import { throttled } from "../throttled.js";
import { h } from "../vdom.js";
import { waterfall } from "../waterfall.js";

const PHASES = [
  ["placing", "wanted_at", "started_at"],
  ["starting", "started_at", "connected_at"],
  ["loading", "connected_at", "loaded_at"],
  ["entering", "loaded_at", "ready_at"],
];

export async function show(page) {
  let data = await page.get(`/containers/${page.id}`);
  let log = null;
  page.title(`Container ${page.id}`);
  const refresh = throttled(1000, async () => {
    data = await page.get(`/containers/${page.id}`);
    page.redraw();
  });
  const stop = async () => {
    const options = await confirm({
      title: "Stop this container?",
      text: "It takes no more inputs, finishes those that it runs, runs its exit hooks and ends. The autoscaler may start another.",
      action: "Stop the container",
      danger: true,
      options: [{ name: "now", label: "Now: what it runs is given to another container, and begins anew" }],
    });
    if (options && (await carryOut(() => post(`/containers/${page.id}/stop`, { graceful: !options.now }), "The container is being stopped."))) refresh();
  };
  page.draw(() => {
    const { container, function: owner, live, inputs } = data;
    const isLive = container.state !== "ended";
    return [
      crumbs(page, ["Apps", "/apps"], [owner.name, `/functions/${owner.function_id}`]),
      heading("container", `of ${owner.name}`, page.id, badge(container.state),
        isLive && h("button", { type: "button", class: "danger", onclick: stop }, "Stop container…")),
      facts(["Started", time(container.started_at)],
        container.ready_at && ["Cold start", seconds(container.ready_at - container.wanted_at)],
        container.ended_at && ["Lived", seconds(container.ended_at - container.started_at)],
        isLive && ["Runs", `${count(container.running_inputs)} of ${owner.target_inputs}${owner.max_inputs > owner.target_inputs ? ` (max ${owner.max_inputs})` : ""}`],
        container.isolation && ["Isolation level", container.isolation],
        isLive && ["Has run", count(container.finished_inputs ?? 0)]),
      h("p", { class: "reasons" }, container.reason && [h("span", null, "Started because ", h("q", null, container.reason))], container.end && [h("span", null, isLive ? "Stopping: " : "Ended: ", h("q", null, container.end))]),
      panel("Cold start", phases(container)),
      panel(isLive ? "Runs now, and ran last" : "Ran last", inputTable([...live, ...inputs])),
      log && panel("Log", log.node, h("a", { href: `/logs?container=${page.id}` }, "Search and filter")),
    ];
  });
  log = await embeddedLog(page, { container: page.id }, { hidden: ["function", "container"] }, {
    changes: ({ changed }) => data.container.state !== "ended" && changed.some((what) => what === "containers" || what === "inputs") && refresh(),
    views: () => data.container.state !== "ended" && refresh(),
    opened: refresh,
  }, ["changes", "views"]);
  page.redraw();
}

function phases(container) {
  const until = container.ready_at ?? container.ended_at ?? now();
  const rows = [];
  for (const [name, from, to] of PHASES) {
    if (!container[from]) break;
    rows.push({ name, parts: [{ kind: name, title: name, began: container[from], ended: container[to] ?? until }] });
    if (!container[to]) break;
  }
  return waterfall("Phases of its cold start", rows, container.wanted_at, until);
}

function inputTable(inputs) {
  if (!inputs.length) return nothing("No inputs.");
  return h("div", { class: "scroll low" }, h("table", null,
    h("thead", null, h("tr", null, h("th", null, "Input"), h("th", null, "State"), h("th", { class: "spare" }, "Delivered"), h("th", { class: "number" }, "Took"), h("th", null, "Failure"))),
    h("tbody", null, inputs.map((input) => h("tr", { key: input.input_id },
      h("td", null, idLink(input.input_id, { "data-row": true })),
      h("td", null, badge(input.state)),
      h("td", { class: "spare" }, time(input.delivered_at)),
      h("td", { class: "number" }, input.ended_at && input.delivered_at ? seconds(input.ended_at - input.delivered_at) : "–"),
      h("td", { class: "cut ink failure", title: input.failure }, input.failure))))));
}
