// Functions that run, one line each.

import { count, rate } from "./format.js";
import { nothing } from "./parts.js";
import { dots } from "./strips.js";
import { h } from "./vdom.js";

export function functionTable(views, rates) {
  if (!views.length) return nothing("No functions.");
  return h("div", { class: "scroll" }, h("table", { class: "functions" },
    h("thead", null, h("tr", null, h("th", null, "Function"), h("th", null, "Containers"),
      ["Waiting", "Running"].map((name) => h("th", { class: "number" }, name)),
      ["Per second", "Succeeded"].map((name) => h("th", { class: "number spare" }, name)), h("th", { class: "number" }, "Failed"), h("th", { class: "spare" }, "Last decision"))),
    h("tbody", null, views.map((view) => h("tr", { key: view.function_id },
      h("td", null, h("a", { href: `/functions/${view.function_id}`, "data-row": true, title: view.name }, view.name)),
      h("td", null, h("span", { class: "with-count" }, h("b", null, count(view.containers.length)), dots(view))),
      h("td", { class: "number" }, count(view.waiting_inputs)),
      h("td", { class: "number" }, count(view.running_inputs)),
      h("td", { class: "number spare" }, rate(rates.of(view.function_id))),
      h("td", { class: "number spare" }, count(view.succeeded_inputs)),
      h("td", { class: `number ${view.failed_inputs ? "ink failure" : ""}` }, count(view.failed_inputs)),
      h("td", { class: "dim reason spare" }, view.shortage || view.last_decision))))));
}
