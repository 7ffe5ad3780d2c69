// All apps: those that run, and those that did.

import { moment, seconds } from "../format.js";
import { functionTable } from "../function_table.js";
import { badge, heading, idLink, nothing, panel, time } from "../parts.js";
import { Rates } from "../rates.js";
import { h } from "../vdom.js";

export async function show(page) {
  page.title("Apps");
  page.parent = "/apps";
  const rates = new Rates();
  let { apps } = await page.get("/apps");

  const refresh = async () => {
    ({ apps } = await page.get("/apps"));
    page.redraw();
  };
  page.draw(() => {
    const running = apps.filter((app) => app.running);
    const ended = apps.filter((app) => !app.running);
    return [
      heading("", "Apps"),
      running.length ? running.map((app) => runningApp(app, rates)) : nothing("No app runs now."),
      ended.length > 0 && panel("Ended", endedTable(ended)),
    ];
  });
  page.live({ topics: "views,changes" }, {
    views({ apps: views }) {
      rates.note(views.flatMap((view) => view.functions));
      const known = new Set(apps.filter((app) => app.running).map((app) => app.app_id));
      const there = new Map(views.map((view) => [view.app_id, view]));
      if (known.size !== there.size || views.some((view) => !known.has(view.app_id))) refresh();
      for (const app of apps) if (there.has(app.app_id)) app.functions = there.get(app.app_id).functions;
      page.redraw();
    },
    changes: ({ changed }) => changed.includes("apps") && refresh(),
    opened: refresh,
  });
}

function runningApp(app, rates) {
  return panel(h("a", { href: `/apps/${app.app_id}`, "data-row": true }, app.name), functionTable(app.functions, rates),
    app.version ? h("a", { href: `/deployments/${app.name}` }, `v${app.version}`) : null,
    badge(app.version ? "deployed" : app.is_detached ? "detached" : "running"), app.started_at ? h("span", { class: "dim" }, "since ", time(app.started_at)) : null);
}

function endedTable(apps) {
  return h("div", { class: "scroll" }, h("table", null,
    h("thead", null, h("tr", null, h("th", null, "App"), h("th", null, "Name"), h("th", null, "Started"), h("th", { class: "number" }, "Ran for"))),
    h("tbody", null, apps.map((app) => h("tr", { key: app.app_id },
      h("td", null, idLink(app.app_id, { "data-row": true })), h("td", null, app.name), h("td", null, moment(app.started_at)),
      h("td", { class: "number" }, app.ended_at ? seconds(app.ended_at - app.started_at) : "not known"))))));
}
