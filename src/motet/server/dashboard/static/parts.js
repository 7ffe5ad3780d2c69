// Pieces that several pages are made of.

import { count, fullMoment, moment, plural, seconds, shortId, stateText } from "./format.js";
import { h } from "./vdom.js";

const KINDS = { ap: "apps", fu: "functions", fc: "calls", in: "inputs", ta: "containers" };

/** A link to what an id names. */
export function idLink(id, props = {}, text = shortId(id)) {
  return h("a", { class: "id", href: `/${KINDS[id.slice(0, 2)]}/${id}`, title: id, ...props }, text);
}

export function time(at) {
  return h("time", { title: fullMoment(at) }, moment(at));
}

/** Where a page is in the whole: links to what it belongs to. Also tells `Esc` where to go. */
export function crumbs(page, ...links) {
  page.parent = links.at(-1)[1];
  return h("nav", { class: "crumbs", "aria-label": "Where this is" }, links.map(([text, href], index) => [index > 0 && h("span", { "aria-hidden": "true" }, "/"), h("a", { href }, text)]));
}

export function heading(kind, name, id, ...more) {
  return h("div", { class: "heading" },
    h("h1", null, h("small", null, kind), " ", name),
    id && h("button", { class: "id copy", type: "button", title: "Copy the id", onclick: () => navigator.clipboard?.writeText(id) }, id),
    more);
}

/** How an input or container is, in colour and word. */
export function badge(state) {
  return h("span", { class: `badge ${state}` }, stateText(state));
}

/** Numbers with their names. */
export function facts(...pairs) {
  return h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value, props]) =>
    h("div", props ?? null, h("dt", null, name), h("dd", null, value))));
}

export function panel(title, children, ...tools) {
  return h("section", { class: "panel", "aria-label": title },
    h("div", { class: "panel-head" }, h("h2", null, title), tools.length ? h("div", { class: "tools" }, tools) : null), children);
}

export function nothing(text) {
  return h("p", { class: "nothing" }, text);
}

/** How a call's inputs ended, as one bar. */
export function outcomeBar(counts, live) {
  const parts = [...Object.entries(counts), ["running", live?.running ?? 0], ["waiting", live?.waiting ?? 0]].filter(([, number]) => number);
  const total = parts.reduce((sum, [, number]) => sum + number, 0);
  const text = parts.map(([state, number]) => `${count(number)} ${stateText(state)}`).join(", ") || "no inputs";
  return h("div", { class: "outcomes", role: "img", "aria-label": text, title: text },
    parts.map(([state, number]) => h("span", { key: state, class: `fill ${state}`, style: { "flex-grow": String(number / total) } })));
}

export function outcomeText(counts) {
  const parts = Object.entries(counts).filter(([, number]) => number);
  return parts.map(([state, number], index) => [index ? ", " : "", h("span", { class: `ink ${state}` }, `${count(number)} ${stateText(state)}`)]);
}

/** How a call was made: somebody waits for it, or nobody does. */
export function kindText(call) {
  if (call.kind !== "attached") return call.kind;
  return call.parent_input_id ? "from inside" : "from outside";
}

/** Calls as a table. What is `spare` has no place on a narrow page; the page that a row leads to has it. */
export function callTable(calls, { withFunction = true } = {}) {
  if (!calls.length) return nothing("No calls.");
  return h("div", { class: "scroll" }, h("table", null,
    h("thead", null, h("tr", null, h("th", null, "Call"), withFunction && h("th", null, "Function"), h("th", null, "Made"),
      h("th", { class: "spare" }, "Kind"), h("th", { class: "number spare" }, "Ended"), h("th", null, "Outcomes"), h("th", { class: "number spare" }, "Until the last"))),
    h("tbody", null, calls.map((call) => h("tr", { key: call.call_id },
      h("td", null, idLink(call.call_id, { "data-row": true })),
      withFunction && h("td", null, idLink(call.function_id, { class: "" }, call.function_name), call.method && h("span", { class: "dim" }, `.${call.method}`)),
      h("td", null, time(call.submitted_at)),
      h("td", { class: "dim spare" }, call.parent_input_id ? ["by ", idLink(call.parent_input_id)] : kindText(call)),
      h("td", { class: "number spare" }, count(call.ended_inputs)),
      h("td", null, call.ended_inputs ? h("div", { class: "with-bar" }, outcomeBar(call.counts), h("span", null, outcomeText(call.counts))) : h("span", { class: "dim" }, "none yet")),
      h("td", { class: "number spare" }, call.ended_at ? seconds(call.ended_at - call.submitted_at) : "–"))))));
}

/** When functions run by themselves, those that are next first. `functions`: their ids by name, where they are known. */
export function scheduleTable(schedules, functions = {}) {
  return h("div", { class: "scroll" }, h("table", null,
    h("thead", null, h("tr", null, h("th", null, "Function"), h("th", null, "Next run"), h("th", null, "Schedule"),
      h("th", null, "Last run"), h("th", { class: "spare" }, "Note"))),
    h("tbody", null, schedules.map((it) => h("tr", { key: `${it.app}/${it.function}` },
      h("td", null, functions[it.function] ? h("a", { href: `/functions/${functions[it.function]}`, "data-row": true }, it.function) : it.function),
      h("td", null, it.paused ? badge("paused") : it.next_at ? time(it.next_at) : "–"), h("td", null, it.when),
      h("td", null, it.call_id ? [time(it.ran_at), " ", idLink(it.call_id)] : "–"),
      h("td", { class: "dim spare" }, it.note))))));
}

/** A group of choices, any number of which can be on. `selected`: those that are; none stands for all. */
export function chips(label, choices, selected, onChange) {
  return h("div", { class: "chips", role: "group", "aria-label": label }, choices.map(([value, text]) => {
    const isOn = selected.includes(value);
    return h("button", { type: "button", key: value, class: `chip ${value}`, "aria-pressed": String(isOn),
      onclick: () => onChange(isOn ? selected.filter((it) => it !== value) : [...selected, value]) }, text);
  }));
}

export { plural };
