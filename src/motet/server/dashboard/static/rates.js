// Inputs per second, from totals that are seen now and then.

import { now } from "./format.js";

const SPAN = 4;

export class Rates {
  constructor() {
    this.seen = new Map();
  }

  /** Note the totals of these functions' views. */
  note(views) {
    const at = now();
    for (const view of views) {
      const total = view.succeeded_inputs + view.failed_inputs + view.cancelled_inputs;
      const list = this.seen.get(view.function_id) ?? [];
      list.push([at, total]);
      while (list.length > 2 && list[1][0] < at - SPAN) list.shift();
      this.seen.set(view.function_id, list);
    }
  }

  /** What ends per second; 0 when nothing has for a while. */
  of(functionId) {
    const list = this.seen.get(functionId) ?? [];
    if (list.length < 2) return 0;
    const [[before, less], [after, total]] = [list[0], list.at(-1)];
    // No news is no change: views are sent when they change.
    return Math.max(0, (total - less) / Math.max(after - before, now() - SPAN - before, 0.5));
  }
}
