// Lines of a log, as they come.

import { clock, fullMoment, shortId } from "./format.js";
import { idLink, nothing } from "./parts.js";
import { h, render } from "./vdom.js";

const MAX_LINES = 3000;
/** Characters from which on a line scrolls by itself, lest it hide those around it. */
const LONG = 2000;

export class LogLines {
  /** `follow`: begin at the end, and stay there. `hidden`: columns to leave out. */
  constructor({ tall = false, hidden = [] } = {}) {
    this.lines = [];
    this.drawn = new Map();
    this.hidden = new Set(hidden);
    this.follow = true;
    this.unseen = 0;
    this.words = [];
    this.onFollow = () => {};
    this.node = h("div", { class: tall ? "log tall" : "log", role: "log", "aria-label": "Lines", tabindex: 0, own: true, key: "log", made: (node) => this.#mounted(node) });
  }

  get position() {
    return this.lines.at(-1)?.position;
  }

  /** Show these instead of those that are there; `search` is marked in them. */
  replace(lines, search = "") {
    this.words = search.toLowerCase().split(/\W+/).filter(Boolean);
    this.drawn.clear();
    this.lines = lines;
    this.unseen = 0;
    this.#draw();
  }

  /** Newer ones. */
  append(lines) {
    this.lines.push(...lines);
    if (this.lines.length > MAX_LINES) {
      for (const line of this.lines.splice(0, this.lines.length - MAX_LINES)) this.drawn.delete(line.position);
    }
    if (!this.follow) this.unseen += lines.length;
    this.#draw();
  }

  /** Older ones. */
  prepend(lines) {
    const known = new Set(this.lines.map((line) => line.position));
    const older = lines.filter((line) => !known.has(line.position));
    const height = this.element?.scrollHeight ?? 0;
    this.lines = [...older, ...this.lines];
    this.#draw();
    if (this.element) this.element.scrollTop += this.element.scrollHeight - height;
    return older.length;
  }

  setFollow(follow) {
    this.follow = follow;
    if (follow) this.unseen = 0;
    this.#draw();
    this.onFollow(follow);
  }

  #mounted(node) {
    this.element = node;
    node.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.#draw();
    requestAnimationFrame(() => this.#toEnd()); // it is not in the page yet, and has no height
  }

  #onScroll() {
    const atEnd = this.element.scrollTop + this.element.clientHeight >= this.element.scrollHeight - 8;
    if (atEnd === this.follow || this.scrolling) return;
    this.follow = atEnd;
    if (atEnd) this.unseen = 0;
    this.onFollow(atEnd);
  }

  #draw() {
    if (!this.element) return;
    // A line that was drawn before is the same object, which is left alone without a look at it.
    const rows = this.lines.map((line) => {
      if (!this.drawn.has(line.position)) this.drawn.set(line.position, this.#row(line));
      return this.drawn.get(line.position);
    });
    render(this.element, rows.length ? rows : nothing("No lines."));
    this.#toEnd();
  }

  #toEnd() {
    if (!this.follow) return;
    this.scrolling = true;
    this.element.scrollTop = this.element.scrollHeight;
    requestAnimationFrame(() => (this.scrolling = false));
  }

  #row(line) {
    const shows = (column) => !this.hidden.has(column);
    return h("div", { key: line.position, class: `line ${line.source}` },
      h("time", { title: fullMoment(line.at) }, clock(line.at, true)),
      shows("function") && h("a", { class: "who", href: `/functions/${line.function_id}` }, line.function_name),
      shows("input") && (line.input_id ? idLink(line.input_id, { class: "id from" }, `${shortId(line.input_id)}`)
        : shows("container") && line.container_id ? idLink(line.container_id, { class: "id from" }) : h("span", { class: "from" })),
      h("span", { class: line.text.length > LONG ? "text long" : "text" }, this.#marked(line.text)));
  }

  #marked(text) {
    if (!this.words.length) return text || " ";
    const pattern = new RegExp(this.words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\W+"), "gi");
    const parts = [];
    let end = 0;
    for (const match of text.matchAll(pattern)) {
      parts.push(text.slice(end, match.index), h("mark", null, match[0]));
      end = match.index + match[0].length;
    }
    return [...parts, text.slice(end)];
  }
}

/** A log in a panel of a page, for one call, input or container: its last lines, and those that come. */
export async function embeddedLog(page, filters, options, handlers, topics) {
  const log = new LogLines(options);
  const { lines } = await page.get("/logs", { ...filters, limit: 500 });
  log.replace(lines);
  page.live({ topics: [...topics, "logs"].join(","), ...filters, after: log.position }, {
    ...handlers,
    logs: ({ lines: more }) => log.append(more),
  });
  return log;
}
