// The stream of what changes. It is closed while the page is hidden: browsers allow few connections to one server.

import { address } from "./api.js";

export class Live {
  /** `handlers`: functions by event name (views, changes, logs), and `opened`, called when the stream is there again after
   *  it was not. `report` gets "live", "lost" or "hidden". */
  constructor(filters, handlers, report) {
    this.filters = filters;
    this.handlers = handlers;
    this.report = report;
    this.position = filters.after;
    this.wasOpen = false;
    this.onVisible = () => (document.hidden ? this.#pause() : this.#open());
    document.addEventListener("visibilitychange", this.onVisible);
    if (!document.hidden) this.#open();
  }

  close() {
    document.removeEventListener("visibilitychange", this.onVisible);
    this.source?.close();
    this.source = null;
  }

  #pause() {
    this.source?.close();
    this.source = null;
    this.report("hidden");
  }

  #open() {
    this.source?.close();
    const source = new EventSource(`/api${address("/events", { ...this.filters, after: this.position })}`);
    this.source = source;
    source.onopen = () => {
      this.report("live");
      if (this.wasOpen) this.handlers.opened?.();
      this.wasOpen = true;
    };
    source.onerror = () => {
      this.report("lost");
      // After an answer that is no stream the browser gives up; the server may be another one soon.
      if (source.readyState === EventSource.CLOSED && this.source === source) {
        setTimeout(() => this.source === source && !document.hidden && this.#open(), 2000);
      }
    };
    for (const name of ["views", "changes", "logs", "fault"]) {
      source.addEventListener(name, (event) => {
        const value = JSON.parse(event.data);
        if (name === "logs" && value.lines.length) this.position = value.lines.at(-1).position;
        this.handlers[name]?.(value);
      });
    }
  }
}
