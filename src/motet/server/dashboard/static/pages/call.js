// One call: how its inputs fare, each of them, and what they wrote.

import { post } from "../api.js";
import { carryOut, confirm } from "../dialog.js";
import { count, OUTCOMES, plural, seconds } from "../format.js";
import { embeddedLog } from "../log_lines.js";
import { badge, chips, crumbs, facts, heading, idLink, kindText, outcomeBar, outcomeText, panel, time } from "../parts.js";
import { RowWindow } from "../row_window.js";
import { debounced, throttled } from "../throttled.js";
import { h } from "../vdom.js";

const PAGE = 500;
const LIVE = { running: "running", waiting: "waiting" };

export async function show(page) {
  let { call, live, live_is_complete: liveIsComplete } = await page.get(`/calls/${page.id}`);
  page.title(`${call.function_name} ${call.call_id}`);
  const table = new InputTable(page);
  let log = null;
  const isOpen = () => live.running + live.waiting > 0;

  const refresh = throttled(1000, async () => {
    ({ call, live, live_is_complete: liveIsComplete } = await page.get(`/calls/${page.id}`));
    page.redraw();
    await table.refresh(call.ended_inputs);
  });
  const cancel = async () => {
    const options = await confirm({
      title: "Cancel this call?",
      text: [`${liveIsComplete ? plural(live.running + live.waiting, "input") : "More than " + count(live.running + live.waiting) + " inputs"} of ${call.function_name} end as cancelled. What has ended stays as it is.`],
      action: "Cancel the call",
      danger: true,
      options: [{ name: "terminate_containers", label: "Kill the containers that run its inputs, instead of asking them to stop those" }],
    });
    if (options && (await carryOut(() => post(`/calls/${page.id}/cancel`, options), "The call is being cancelled."))) refresh();
  };
  const counted = (number) => (liveIsComplete ? count(number) : `${count(number)}+`);
  page.draw(() => [
    crumbs(page, ["Apps", "/apps"], [call.function_name, `/functions/${call.function_id}`]),
    heading("call", `${call.function_name}${call.method && "." + call.method}`, call.call_id, badge(isOpen() ? "running" : "ended"),
      isOpen() && h("button", { type: "button", class: "danger", onclick: cancel }, "Cancel call…")),
    facts(["Made", time(call.submitted_at)], ["Kind", kindText(call)],
      call.parent_input_id && ["Made by", idLink(call.parent_input_id)],
      ["Ended", count(call.ended_inputs)], ["Running", counted(live.running)], ["Waiting", counted(live.waiting)],
      call.ended_at && ["Until the last", seconds(call.ended_at - call.submitted_at)]),
    h("div", { class: "big-bar" }, outcomeBar(call.counts, live), h("p", null, outcomeText(call.counts))),
    table.panel(call),
    log && panel("Log", log.node, h("a", { href: `/logs?call=${page.id}` }, "Search and filter")),
  ]);
  await table.reload();
  log = await embeddedLog(page, { call: page.id }, { hidden: ["function"] }, {
    changes: ({ changed }) => (changed.includes("inputs") || changed.includes("calls")) && refresh(),
    views: () => isOpen() && refresh(),
    opened: refresh,
  }, ["changes", "views"]);
  page.redraw();
}

/** The inputs of a call, by state and from an index on; both are in the address. */
class InputTable {
  constructor(page) {
    this.page = page;
    this.items = [];
    this.next = undefined;
    this.seen = 0;
    this.turn = 0;
    this.setFrom = debounced(200, (from) => this.#set({ from }));
    this.rows = new RowWindow({
      label: "Inputs",
      head: [["", "Input"], ["", "State"], ["spare", "Submitted"], ["number", "Waited"], ["number", "Took"], ["number spare", "Attempts"], ["spare", "Container"], ["", "Failure"]].map(([style, text]) => h("th", { class: style }, text)),
      key: (item) => item.input_id,
      row: cells,
      more: () => this.#more(),
    });
  }

  get #kinds() {
    return (this.page.query.get("kind") ?? "").split(",").filter(Boolean);
  }

  panel(call) {
    const choices = [...Object.entries(OUTCOMES).filter(([kind]) => call.counts[kind] || this.#kinds.includes(kind)), ...Object.entries(LIVE)];
    const from = ({ target }) => this.setFrom(target.value.trim().split("-").at(-1));
    return panel("Inputs", [this.fault && h("p", { class: "warning", role: "alert" }, this.fault), this.rows.node],
      h("form", { onsubmit: (event) => event.preventDefault() }, h("input", { name: "from", class: "narrow", oninput: from, autocomplete: "off", "data-search": true, value: this.page.query.get("from") ?? "", placeholder: "from index or id", "aria-label": "From this index or input id on" })),
      chips("State", choices, this.#kinds, (kinds) => this.#set({ kind: kinds.join(",") })));
  }

  async reload() {
    this.#restart();
    this.rows.scrollToTop();
    await this.#more();
  }

  /** After a change: the end of a list that was complete may have grown, and those that were live may have ended. */
  async refresh(ended) {
    if (ended === this.seen && !this.showsLive) return;
    this.seen = ended;
    if (this.items.length <= PAGE || this.showsLive) this.#restart();
    else if (this.next === null) this.next = this.items.at(-1).index;
    else return;
    await this.#more();
  }

  get showsLive() {
    return this.items.some((item) => item.ended_at === null);
  }

  /** Begin anew: answers to what was asked before are not wanted any more. */
  #restart() {
    this.turn += 1;
    this.items = [];
    this.next = undefined;
  }

  async #set(change) {
    this.page.setQuery(change);
    await this.reload();
  }

  async #more() {
    const { turn, next: start } = this;
    const isStale = () => turn !== this.turn || start !== this.next;
    const kinds = this.#kinds;
    const ended = kinds.filter((kind) => !(kind in LIVE));
    const liveKinds = kinds.filter((kind) => kind in LIVE);
    const isFirst = this.next === undefined;
    const from = this.page.query.get("from");
    const before = isFirst ? [] : this.items;
    try {
      let live = [];
      if (isFirst && (!kinds.length || liveKinds.length)) {
        ({ inputs: live } = await this.page.get("/inputs", { call: this.page.id, limit: PAGE }));
        live = live.filter((item) => (!liveKinds.length || liveKinds.includes(item.state === "running" ? "running" : "waiting")) && (!from || item.index >= Number(from)));
      }
      let found = { inputs: [], next: null };
      if (!kinds.length || ended.length) {
        const after = isFirst ? (Number(from) > 0 ? Number(from) - 1 : from && !/^\d+$/.test(from) ? from : undefined) : this.next;
        found = await this.page.get(`/calls/${this.page.id}/inputs`, { kind: ended.join(","), after, limit: PAGE });
      }
      if (isStale()) return;
      const ids = new Set(found.inputs.map((item) => item.input_id));
      this.items = [...before, ...live.filter((item) => !ids.has(item.input_id)), ...found.inputs];
      this.next = found.next;
      this.fault = "";
    } catch (error) {
      if (error.name === "AbortError" || isStale()) return;
      this.fault = error.message;
      this.next = null;
    }
    this.rows.set(this.items, this.next === null);
    this.page.redraw();
  }
}

function cells(item) {
  return [
    h("td", null, idLink(item.input_id, { "data-row": true }, `#${item.index}`)),
    h("td", null, badge(item.state)),
    h("td", { class: "spare" }, time(item.submitted_at)),
    h("td", { class: "number" }, item.delivered_at ? seconds(item.delivered_at - item.submitted_at) : "–"),
    h("td", { class: "number" }, item.ended_at && item.delivered_at ? seconds(item.ended_at - item.delivered_at) : "–"),
    h("td", { class: "number spare" }, item.attempts),
    h("td", { class: "spare" }, item.container_id ? idLink(item.container_id) : "–"),
    h("td", { class: "cut ink failure", title: item.failure }, item.failure),
  ];
}
