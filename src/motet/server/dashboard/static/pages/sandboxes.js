// Sandboxes: those that run, and those that have ended lately.

import { now, seconds, shortId } from "../format.js";
import { badge, heading, nothing, panel, time } from "../parts.js";
import { h } from "../vdom.js";

export async function show(page) {
  page.title("Sandboxes");
  let { sandboxes } = await page.get("/sandboxes");

  const refresh = async () => {
    ({ sandboxes } = await page.get("/sandboxes"));
    page.redraw();
  };
  page.draw(() => {
    const running = sandboxes.filter((each) => !each.ended);
    const ended = sandboxes.filter((each) => each.ended);
    return [
      heading("", "Sandboxes"),
      running.length ? panel("Running", table(running)) : nothing("No sandbox runs now."),
      ended.length > 0 && panel("Ended", table(ended)),
    ];
  });
  page.live({ topics: "views,changes" }, { views: refresh, opened: refresh });
}

function table(sandboxes) {
  return h("div", { class: "scroll" }, h("table", null,
    h("thead", null, h("tr", null, ["Sandbox", "Name", "App", "State", "Level", "Began"].map((name) => h("th", null, name)),
      h("th", { class: "number" }, "Ran for"), h("th", null, "Command"))),
    h("tbody", null, sandboxes.map((each) => h("tr", { key: each.sandbox_id },
      h("td", null, h("a", { href: `/logs?container=${each.sandbox_id}`, "data-row": true, title: each.sandbox_id }, shortId(each.sandbox_id))),
      h("td", null, each.name), h("td", null, each.app_name), h("td", null, state(each)), h("td", null, each.isolation),
      h("td", null, time(each.began_at)), h("td", { class: "number" }, seconds((each.ended_at ?? now()) - each.began_at)),
      h("td", null, h("code", null, each.command.join(" "))))))));
}

function state(sandbox) {
  if (!sandbox.ended) return badge("running");
  return h("span", { title: sandbox.reason }, sandbox.ended, sandbox.ended === "exited" ? ` with code ${sandbox.returncode}` : "");
}
