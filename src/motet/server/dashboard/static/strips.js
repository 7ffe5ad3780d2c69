// Containers as strips: how many inputs each runs, of its target and its maximum.

import { idLink, nothing } from "./parts.js";
import { shortId } from "./format.js";
import { h } from "./vdom.js";

const ORDER = { ready: 0, starting: 1, draining: 2, stopping: 3 };

/** One strip for each container of a view. */
export function strips(view) {
  if (!view.containers.length) return nothing(view.shortage || "No containers now.");
  const containers = [...view.containers].sort((a, b) => (ORDER[a.state] ?? 9) - (ORDER[b.state] ?? 9) || (a.container_id < b.container_id ? -1 : 1));
  return h("ul", { class: "strips" }, containers.map((container) => strip(container, view)));
}

function strip(container, view) {
  const { max_inputs: max, target_inputs: target } = view;
  const running = container.running_inputs;
  const share = (number) => `${(100 * Math.min(number, max)) / max}%`;
  const says = container.state === "ready" || running ? `${running} / ${target}${max === target ? "" : ` / ${max}`}` : container.state;
  const full = `${container.state}: runs ${running} inputs; its target is ${target}, its maximum ${max}`;
  return h("li", { key: container.container_id, class: `strip ${container.state}` },
    idLink(container.container_id, { "data-row": true, class: "strip-link", "aria-label": `${container.container_id} ${full}`, title: `${container.container_id}\n${full}` }, [
      h("span", { class: "strip-name" }, shortId(container.container_id).slice(3)),
      h("span", { class: "strip-text" }, says),
      h("span", { class: "strip-bar", "aria-hidden": "true" },
        h("span", { class: "strip-fill", style: { width: share(Math.min(running, target)) } }),
        running > target && h("span", { class: "strip-burst", style: { left: share(target), width: share(running - target) } }),
        max > target && container.state !== "starting" && h("span", { class: "strip-target", style: { left: share(target) } })),
    ]));
}

/** All containers of a view as dots, for tables. */
export function dots(view) {
  const counts = {};
  for (const { state } of view.containers) counts[state] = (counts[state] ?? 0) + 1;
  const text = Object.entries(counts).map(([state, number]) => `${number} ${state}`).join(", ") || "none";
  const shown = view.containers.slice(0, 40);
  return h("span", { class: "dots", role: "img", "aria-label": text, title: text },
    shown.map((container) => {
      const load = Math.min(1, container.running_inputs / view.max_inputs);
      return h("span", { key: container.container_id, class: `dot ${container.state}` }, h("span", { style: { height: `${100 * load}%` } }));
    }),
    view.containers.length > shown.length && `+${view.containers.length - shown.length}`);
}

/** What the colours mean. */
export function legend() {
  return h("p", { class: "legend" }, [["ready", "running / target / max"], ["burst", "above target"], ["starting", "starting"], ["draining", "draining"]]
    .map(([state, text]) => h("span", null, h("i", { class: `swatch ${state}` }), text)));
}
