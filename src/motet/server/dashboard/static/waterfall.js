// Spans of time under each other: the parts of an input, the phases of a container, a tree of calls.

import { seconds } from "./format.js";
import { h } from "./vdom.js";

/** The bar of a span, or of several parts of one, within a longer one. `parts`: {kind, began, ended, title}. */
export function bar(parts, since, until) {
  const length = Math.max(until - since, 1e-6);
  const share = (value) => `${(100 * value) / length}%`;
  return h("div", { class: "waterfall-bar" }, parts.map((part, index) =>
    h("span", { key: index, class: `fill ${part.kind}`, title: `${part.title}: ${seconds(part.ended - part.began)}`,
      style: { left: share(part.began - since), width: `max(2px, ${share(part.ended - part.began)})` } })));
}

/** Parts under each other, with their lengths: `rows` of {name, parts, length (of all parts), depth, detail}. */
export function waterfall(label, rows, since, until) {
  return h("table", { class: "waterfall", "aria-label": label },
    h("tbody", null, rows.map((row, index) => h("tr", { key: index, class: row.isCurrent ? "current" : "" },
      h("th", { scope: "row", style: { "padding-left": `${16 + 18 * (row.depth ?? 0)}px` } }, row.name),
      h("td", { class: "number" }, row.parts.length ? seconds(row.length ?? row.parts.at(-1).ended - row.parts[0].began) : "–"),
      h("td", { class: "track" }, bar(row.parts, since, until)),
      row.detail !== undefined && h("td", { class: "detail" }, row.detail)))));
}
