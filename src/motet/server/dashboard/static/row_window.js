// A table of any number of rows, of which only those in sight are in the page.

import { h, render } from "./vdom.js";

const OVERSCAN = 12;

export class RowWindow {
  /** `head`: cells of the heading; `row`: a function from an item to its cells; `key`: its name; `more`: called when the end
   *  is near, unless it is still being answered. */
  constructor({ label, head, row, key, more, rowHeight = 33 }) {
    Object.assign(this, { label, head, row, key, more, rowHeight });
    this.items = [];
    this.columns = head.length;
    this.node = h("div", { class: "scroll window", tabindex: -1, own: true, key: label, made: (node) => this.#mounted(node) });
  }

  /** Show these. `isComplete`: there are no more to ask for. */
  set(items, isComplete) {
    this.items = items;
    this.isComplete = isComplete;
    this.#draw();
  }

  scrollToTop() {
    if (this.element) this.element.scrollTop = 0;
  }

  #mounted(node) {
    this.element = node;
    node.addEventListener("scroll", () => this.#draw(), { passive: true });
    new ResizeObserver(() => this.#draw()).observe(node);
  }

  #draw() {
    if (!this.element) return;
    const first = Math.max(0, Math.floor(this.element.scrollTop / this.rowHeight) - OVERSCAN);
    const last = Math.min(this.items.length, Math.ceil((this.element.scrollTop + this.element.clientHeight) / this.rowHeight) + OVERSCAN);
    const space = (key, rows) => rows > 0 && h("tr", { "aria-hidden": "true", key }, h("td", { colspan: this.columns, class: "space", style: { height: `${rows * this.rowHeight}px` } }));
    render(this.element, h("table", { "aria-label": this.label, "aria-rowcount": this.isComplete ? this.items.length + 1 : -1 },
      h("thead", null, h("tr", null, this.head)),
      h("tbody", null,
        space("above", first),
        this.items.slice(first, last).map((item, offset) => h("tr", { key: this.key(item), "aria-rowindex": first + offset + 2 }, this.row(item))),
        space("below", this.items.length - last))));
    if (!this.isComplete && last >= this.items.length - OVERSCAN) this.#ask();
  }

  async #ask() {
    if (this.asking) return;
    this.asking = true;
    try {
      await this.more();
    } finally {
      this.asking = false;
    }
    this.#draw();
  }
}
