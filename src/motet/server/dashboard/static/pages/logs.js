// The log of everything: search as you type, filters in the address, and new lines as they come.

import { count } from "../format.js";
import { LogLines } from "../log_lines.js";
import { chips, heading } from "../parts.js";
import { debounced } from "../throttled.js";
import { h } from "../vdom.js";

const FILTERS = ["search", "function", "call", "input", "container", "app", "source", "since", "until"];
const FIELDS = [
  ["function", "Function", "name or id"],
  ["call", "Call", "fc-…"],
  ["input", "Input", "in-…"],
  ["container", "Container", "ta-…"],
  ["since", "Since", "5m, 2h or a time"],
  ["until", "Until", "a time"],
];
const SOURCES = [["stdout", "stdout"], ["stderr", "stderr"], ["system", "system"]];
const LIMIT = 500;

export async function show(page) {
  page.title("Logs");
  const log = new LogLines({ tall: true });
  let fault = "";
  let mayHaveOlder = false;
  let asked = 0;
  let functions = [];

  const filters = () => Object.fromEntries(FILTERS.map((name) => [name, page.query.get(name)]));
  const load = async () => {
    const number = ++asked;
    try {
      const { lines } = await page.get("/logs", { ...filters(), limit: LIMIT });
      if (number !== asked) return;
      fault = "";
      mayHaveOlder = lines.length === LIMIT;
      log.replace(lines, page.query.get("search") ?? "");
      follow();
    } catch (error) {
      if (error.name === "AbortError") return;
      if (number !== asked) return;
      fault = error.message;
      page.stream?.close();
      log.replace([]);
    }
    page.redraw();
  };
  const follow = () => page.live({ topics: "logs", ...filters(), until: null, after: log.position }, {
    logs({ lines, left_out: leftOut }) {
      // The store finds them in order; a stream that was opened again may begin with lines that are here already.
      const newer = lines.filter((line) => !(line.position <= log.position));
      if (page.query.get("until")) return;
      log.append(newer);
      if (leftOut) fault = "Lines came faster than they can be shown: some are left out here.";
      page.redraw();
    },
    fault: ({ error }) => {
      fault = error;
      page.redraw();
    },
  });
  const older = async () => {
    const first = log.lines[0];
    const { lines } = await page.get("/logs", { ...filters(), until: first.at, limit: LIMIT });
    mayHaveOlder = log.prepend(lines) > 0 && lines.length === LIMIT;
    page.redraw();
  };
  const set = (change) => {
    page.setQuery(change);
    page.redraw();
    return load();
  };
  const setSoon = debounced(120, set);
  const field = ([name, label, hint]) => h("label", { key: name }, label,
    h("input", { name, value: page.query.get(name) ?? "", placeholder: hint, list: name === "function" ? "log-functions" : null, spellcheck: "false", autocomplete: "off",
      oninput: (event) => setSoon({ [name]: event.target.value.trim() }) }));

  log.onFollow = () => page.redraw();
  page.keys = { f: () => log.setFollow(!log.follow) };
  page.draw(() => [
    heading("", "Logs"),
    h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
      h("input", { type: "search", class: "wide", name: "search", "data-search": true, "aria-label": "Search the lines", placeholder: "Search the lines", value: page.query.get("search") ?? "", spellcheck: "false", autocomplete: "off",
        oninput: (event) => setSoon({ search: event.target.value.trim() }) }),
      FIELDS.map(field),
      h("datalist", { id: "log-functions" }, functions.map((name) => h("option", { value: name }))),
      chips("Sources", SOURCES, (page.query.get("source") ?? "").split(",").filter(Boolean), (sources) => set({ source: sources.join(",") })),
      page.query.get("app") && h("button", { type: "button", class: "chip", onclick: () => set({ app: null }) }, `app ${page.query.get("app")} ×`)),
    fault && h("p", { class: "warning", role: "alert" }, fault),
    h("section", { class: "panel log-panel", "aria-label": "Lines" },
      h("div", { class: "panel-head" },
        h("span", { class: "dim" }, `${count(log.lines.length)}${mayHaveOlder ? "+" : ""} lines`),
        h("div", { class: "tools" },
          mayHaveOlder && h("button", { type: "button", onclick: older }, "Older lines"),
          h("button", { type: "button", class: "chip", "aria-pressed": String(log.follow), title: "Stay at the newest line (f)", onclick: () => log.setFollow(!log.follow) }, "Follow"))),
      log.node,
      log.unseen > 0 && h("button", { type: "button", class: "unseen", onclick: () => log.setFollow(true) }, `${count(log.unseen)} new lines ↓`)),
  ]);
  functions = [...new Set((await page.get("/apps")).apps.flatMap((app) => app.functions.map((each) => each.name)))];
  await load();
}
