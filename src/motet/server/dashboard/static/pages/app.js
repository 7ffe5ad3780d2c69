// One app: its functions, and its latest calls.

import { seconds } from "../format.js";
import { functionTable } from "../function_table.js";
import { badge, callTable, crumbs, facts, heading, idLink, panel, scheduleTable, time } from "../parts.js";
import { Rates } from "../rates.js";
import { throttled } from "../throttled.js";
import { h } from "../vdom.js";

export async function show(page) {
  const rates = new Rates();
  let [{ app, functions }, { calls }, schedules] = await load(page);
  page.title(app.name);

  const refresh = throttled(1000, async () => {
    [{ app, functions }, { calls }, schedules] = await load(page);
    page.redraw();
  });
  page.draw(() => [
    crumbs(page, ["Apps", "/apps"]),
    heading("app", app.name, app.app_id, badge(app.running ? "running" : "ended")),
    app.version ? h("p", { class: "dim" }, `v${app.version} of `, h("a", { href: `/deployments/${app.name}` }, app.name)) : null,
    facts(["Started", time(app.started_at)], app.ended_at ? ["Ran for", seconds(app.ended_at - app.started_at)] : null),
    panel("Functions", app.running ? functionTable(app.functions, rates) : recorded(functions)),
    schedules.length ? panel("Next runs", scheduleTable(schedules, idsOf(functions))) : null,
    panel("Latest calls", callTable(calls), h("a", { href: `/calls?app=${app.app_id}` }, "All calls"), h("a", { href: `/logs?app=${app.app_id}` }, "Logs")),
  ]);
  page.live({ topics: "views,changes" }, {
    views({ apps }) {
      const view = apps.find((each) => each.app_id === app.app_id);
      if (view) {
        rates.note(view.functions);
        app.functions = view.functions;
        page.redraw();
      } else if (app.running) refresh();
    },
    changes: refresh,
    opened: refresh,
  });
}

async function load(page) {
  const [found, calls] = await Promise.all([page.get(`/apps/${page.id}`), page.get("/calls", { app: page.id, limit: 20 })]);
  const { name, version } = found.app;
  const { schedules } = version ? await page.get("/schedules", { app: name }) : { schedules: [] };
  return [found, calls, schedules.filter((it) => it.version === version)];
}

function idsOf(functions) {
  return Object.fromEntries(functions.map((each) => [each.name, each.function_id]));
}

function recorded(functions) {
  return h("div", { class: "scroll" }, h("table", null,
    h("thead", null, h("tr", null, h("th", null, "Function"), h("th", null, "Id"), h("th", { class: "number" }, "Target inputs"), h("th", { class: "number" }, "Max inputs"))),
    h("tbody", null, functions.map((each) => h("tr", { key: each.function_id },
      h("td", null, h("a", { href: `/functions/${each.function_id}`, "data-row": true }, each.name)), h("td", null, idLink(each.function_id)),
      h("td", { class: "number" }, each.target_inputs), h("td", { class: "number" }, each.max_inputs))))));
}
