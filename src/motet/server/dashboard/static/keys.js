// The keyboard: everything that a mouse can do, and a few ways that are quicker.

import { ask } from "./dialog.js";
import { currentPage, navigate } from "./router.js";
import { toggleTheme } from "./theme.js";
import { h } from "./vdom.js";

const KEYS = [
  ["/", "search"],
  ["j  k", "next and previous row"],
  ["Enter", "open the row"],
  ["Esc", "up: from an input to its call, and so on"],
  ["Alt ←", "back"],
  ["g a", "apps"],
  ["g c", "calls"],
  ["g l", "logs"],
  ["f", "follow the log, or stay where you are"],
  ["t", "light, dark, or as the system is"],
  ["?", "these keys"],
];
const PLACES = { a: "/apps", c: "/calls", l: "/logs" };

let goingTo = 0;

export function showKeys() {
  ask(h("form", { method: "dialog" },
    h("h2", null, "Keys"),
    h("table", { class: "keys" }, h("tbody", null, KEYS.map(([key, what]) =>
      h("tr", null, h("th", { scope: "row" }, key.split(" ").filter(Boolean).map((part) => [h("kbd", null, part), " "])), h("td", null, what))))),
    h("div", { class: "actions" }, h("button", { autofocus: true }, "Close"))));
}

export function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.getElementById("dialog").open) return;
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "Escape") {
    if (typing) typing.blur();
    else navigate(currentPage().parent);
    return;
  }
  if (typing) return;
  if (Date.now() - goingTo < 1500 && PLACES[event.key]) {
    goingTo = 0;
    event.preventDefault();
    navigate(PLACES[event.key]);
    return;
  }
  const action = { "/": search, j: () => move(1), k: () => move(-1), t: toggleTheme, "?": showKeys, g: () => (goingTo = Date.now()), ...currentPage().keys }[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
}

function search() {
  const field = document.querySelector("main [data-search]") ?? document.getElementById("goto-id");
  field.focus();
  field.select();
}

function move(step) {
  const rows = [...document.querySelectorAll("main [data-row]")];
  const index = rows.findIndex((row) => row === document.activeElement || row.contains(document.activeElement));
  const row = rows[index < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, index + step))];
  row?.focus();
  row?.scrollIntoView({ block: "nearest" });
}
