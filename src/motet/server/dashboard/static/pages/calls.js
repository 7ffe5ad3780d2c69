// Calls, the newest first, by function, outcome and time.

import { OUTCOMES } from "../format.js";
import { callTable, chips, heading, panel } from "../parts.js";
import { debounced, throttled } from "../throttled.js";
import { h } from "../vdom.js";

const FILTERS = ["app", "function", "kind", "since", "parent"];
const PAGE = 50;

export async function show(page) {
  page.title("Calls");
  let calls = [];
  let isComplete = true;
  let fault = "";
  let functions = [];

  const filters = () => Object.fromEntries(FILTERS.map((name) => [name, page.query.get(name)]));
  const load = async () => {
    try {
      const wanted = Math.max(PAGE, Math.ceil(calls.length / PAGE) * PAGE);
      const found = await page.get("/calls", { ...filters(), limit: wanted });
      calls = found.calls;
      isComplete = calls.length < wanted;
      fault = "";
    } catch (error) {
      if (error.name === "AbortError") return;
      fault = error.message;
    }
    page.redraw();
  };
  const more = async () => {
    const found = await page.get("/calls", { ...filters(), limit: PAGE, before: calls.at(-1).submitted_at });
    calls = [...calls, ...found.calls];
    isComplete = found.calls.length < PAGE;
    page.redraw();
  };
  const set = (change) => {
    page.setQuery(change);
    calls = [];
    return load();
  };
  const setSoon = debounced(200, set);

  page.draw(() => [
    heading("", "Calls"),
    h("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
      h("label", null, "Function", h("input", { name: "function", "data-search": true, list: "function-names", value: page.query.get("function") ?? "", placeholder: "name or id", oninput: (event) => setSoon({ function: event.target.value.trim() }) })),
      h("datalist", { id: "function-names" }, functions.map((name) => h("option", { value: name }))),
      h("label", null, "Since", h("input", { name: "since", value: page.query.get("since") ?? "", placeholder: "5m, 2h or a time", oninput: (event) => setSoon({ since: event.target.value.trim() }) })),
      page.query.get("app") && h("button", { type: "button", class: "chip", onclick: () => set({ app: null }) }, `app ${page.query.get("app")} ×`),
      page.query.get("parent") && h("button", { type: "button", class: "chip", onclick: () => set({ parent: null }) }, `made by ${page.query.get("parent")} ×`),
      chips("With an input that", Object.entries(OUTCOMES).slice(0, 5), (page.query.get("kind") ?? "").split(",").filter(Boolean), (kinds) => set({ kind: kinds.join(",") }))),
    fault && h("p", { class: "warning", role: "alert" }, fault),
    panel("Newest first", callTable(calls), !isComplete && h("button", { type: "button", onclick: more }, "More")),
  ]);
  functions = [...new Set((await page.get("/apps")).apps.flatMap((app) => app.functions.map((each) => each.name)))];
  await load();
  const refresh = throttled(1500, load);
  page.live({ topics: "changes" }, { changes: ({ changed }) => changed.some((what) => what === "calls" || what === "inputs") && refresh(), opened: refresh });
}
