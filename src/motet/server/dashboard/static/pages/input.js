// One input: where its time went, its attempts, how it ended, who called it and what it called, and what it wrote.

import { post } from "../api.js";
import { carryOut, confirm } from "../dialog.js";
import { clock, now, plural, seconds } from "../format.js";
import { embeddedLog } from "../log_lines.js";
import { badge, crumbs, facts, heading, idLink, nothing, panel, time } from "../parts.js";
import { throttled } from "../throttled.js";
import { h } from "../vdom.js";
import { waterfall } from "../waterfall.js";

export async function show(page) {
  let [data, tree] = await load(page);
  let log = null;
  page.title(`Input ${data.input.index} of ${data.call.function_name}`);
  const refresh = throttled(1000, async () => {
    [data, tree] = await load(page);
    page.redraw();
  });
  const cancel = async () => {
    const options = await confirm({ title: "Cancel the call of this input?", text: "All of its unfinished inputs end as cancelled.", action: "Cancel the call", danger: true });
    if (options && (await carryOut(() => post(`/calls/${data.call.call_id}/cancel`, options), "The call is being cancelled."))) refresh();
  };
  page.draw(() => {
    const { input, call, failure } = data;
    const isLive = input.ended_at === null;
    return [
      crumbs(page, ["Apps", "/apps"], [call.function_name, `/functions/${call.function_id}`], ["call", `/calls/${call.call_id}`]),
      heading("input", `#${input.index} of ${call.function_name}${call.method && "." + call.method}`, input.input_id, badge(input.state),
        isLive && h("button", { type: "button", class: "danger", onclick: cancel }, "Cancel call…")),
      facts(["Submitted", time(input.submitted_at)], input.ended_at && ["Took in all", seconds(input.ended_at - input.submitted_at)],
        ["Attempts", input.attempts], input.container_id && ["Container", idLink(input.container_id)],
        call.parent_input_id && ["Called by", idLink(call.parent_input_id)]),
      failure && panel("Failure", [h("p", { class: "failure-text" }, h("b", null, failure.type), failure.message && `: ${failure.message}`), failure.traceback && h("pre", { class: "traceback", tabindex: 0 }, failure.traceback)]),
      panel("Where the time went", timeline(data)),
      panel("Calls around it", callTree(tree, page.id)),
      log && panel("Log", log.node, h("a", { href: `/logs?input=${page.id}` }, "Search and filter")),
    ];
  });
  log = await embeddedLog(page, { input: page.id }, { hidden: ["function", "input"] }, {
    changes: ({ changed }) => (data.input.ended_at === null || changed.includes("calls")) && refresh(),
    views: () => data.input.ended_at === null && refresh(),
    opened: refresh,
  }, ["changes", "views"]);
  page.redraw();
}

function load(page) {
  return Promise.all([page.get(`/inputs/${page.id}`), page.get(`/inputs/${page.id}/tree`)]);
}

/** What each part of its time is; they add up to all of it. */
function timeline({ input, attempts_made: attempts, timeline: told }) {
  const until = input.ended_at ?? now();
  const parts = (told ?? soFar(input, until)).map((part) => ({ ...part, kind: part.phase, title: part.phase === "slot" ? "waiting for a slot" : part.phase }));
  const rows = [{ name: "All of it", parts, detail: "" }];
  if (attempts.length > 1) {
    for (const [index, made] of attempts.entries()) {
      rows.push({ name: ["Attempt ", index + 1], parts: parts.filter((part) => part.attempt === index + 1), depth: 1, detail: [badge(made.kind), " in ", idLink(made.container_id)] });
    }
  }
  for (const phase of [...new Set(parts.map((part) => part.phase))]) {
    const mine = parts.filter((part) => part.phase === phase);
    const by = mine.find((part) => part.by)?.by;
    rows.push({ name: h("span", null, h("i", { class: `swatch ${phase}` }), mine[0].title), parts: mine, length: mine.reduce((sum, part) => sum + part.ended - part.began, 0), depth: 1,
      detail: h("span", { class: "dim" }, mine[0].meaning, by && [": ", idLink(by)]) });
  }
  return waterfall("Parts of its time", rows, input.submitted_at, Math.max(until, input.submitted_at + 1e-6));
}

/** Of an input that has not ended, as much as is known: the time until its delivery, and since. */
function soFar(input, until) {
  const delivered = input.delivered_at ?? until;
  const parts = [{ phase: "queued", began: input.submitted_at, ended: delivered, meaning: "it waited" }];
  if (input.delivered_at) parts.push({ phase: "running", began: delivered, ended: until, meaning: "it is in its container" });
  return parts;
}

function callTree(tree, current) {
  const rows = [];
  let [since, until] = [Infinity, 0];
  const note = (began, ended) => {
    since = Math.min(since, began ?? since);
    until = Math.max(until, ended || 0);
  };
  const addInput = (input, depth, prefix, call) => {
    const parts = [];
    if (input.submitted_at) {
      const ended = input.ended_at ?? now();
      note(input.submitted_at, ended);
      const delivered = input.delivered_at ?? ended;
      parts.push({ kind: "queued", title: "until its last attempt", began: input.submitted_at, ended: delivered });
      parts.push({ kind: "running", title: "its last attempt", began: delivered, ended });
    }
    const isCurrent = input.input_id === current;
    rows.push({
      name: [prefix, h("a", { href: `/inputs/${input.input_id}`, "data-row": true, "aria-current": isCurrent ? "true" : null }, `#${input.index ?? input.input_id.split("-").at(-1)}`)],
      parts, depth, isCurrent, call,
      detail: badge(input.state === "live" ? "running" : input.state),
    });
    for (const each of input.calls) addCall(each, depth + 1);
    if (input.more_calls) rows.push({ name: h("a", { href: `/calls?parent=${input.input_id}` }, "more calls…"), parts: [], depth: depth + 1, detail: "" });
  };
  const addCall = (call, depth) => {
    const name = `${call.function_name}${call.method && "." + call.method}`;
    const link = h("a", { href: `/calls/${call.call_id}`, "data-row": true }, name);
    if (call.inputs.length === 1 && !call.more_inputs) {
      addInput(call.inputs[0], depth, [link, " "], call);
      return;
    }
    const ended = call.inputs.some((each) => !each.ended_at) ? now() : call.ended_at;
    note(call.submitted_at, ended);
    rows.push({ name: [link, h("span", { class: "dim" }, ` ${plural(Math.max(call.ended_inputs, call.inputs.length), "input")}`)], depth, detail: "", parts: ended ? [{ kind: "span", title: name, began: call.submitted_at, ended }] : [] });
    for (const input of call.inputs) addInput(input, depth + 1, "");
    if (call.more_inputs) rows.push({ name: h("a", { href: `/calls/${call.call_id}` }, "all of them…"), parts: [], depth: depth + 1, detail: "" });
  };
  addInput(tree.root, 0, tree.path.length > 1 ? [h("span", { class: "dim" }, "called from "), ""] : [h("span", { class: "dim" }, "this input "), ""]);
  if (rows.length === 1) return nothing("Nothing called it from inside a container, and it has called nothing.");
  return [waterfall("Tree of calls", rows, since, Math.max(until, since + 1e-6)), h("p", { class: "legend" },
    h("span", null, h("i", { class: "swatch queued" }), "before its last attempt"), h("span", null, h("i", { class: "swatch running" }), "its last attempt"), h("span", null, `from ${clock(since, true)} on`))];
}
