// Which page an address is for, and going from one to another. The address holds everything a page shows.

import { get } from "./api.js";
import { Live } from "./live.js";
import { h, render } from "./vdom.js";

const ROUTES = [
  [/^\/apps$/, () => import("./pages/apps.js")],
  [/^\/apps\/(?<id>[^/]+)$/, () => import("./pages/app.js")],
  [/^\/deployments\/(?<id>[^/]+)$/, () => import("./pages/deployment.js")],
  [/^\/functions\/(?<id>[^/]+)$/, () => import("./pages/function.js")],
  [/^\/calls$/, () => import("./pages/calls.js")],
  [/^\/calls\/(?<id>[^/]+)$/, () => import("./pages/call.js")],
  [/^\/inputs\/(?<id>[^/]+)$/, () => import("./pages/input.js")],
  [/^\/containers\/(?<id>[^/]+)$/, () => import("./pages/container.js")],
  [/^\/logs$/, () => import("./pages/logs.js")],
  [/^\/sandboxes$/, () => import("./pages/sandboxes.js")],
];

let current = null;
const main = () => document.getElementById("main");

/** One page while it is shown. */
class Page {
  constructor(id, query) {
    this.id = id;
    this.query = query;
    this.leaving = new AbortController();
    this.cleanups = [];
    this.parent = "/apps";
    this.keys = {};
    this.frame = 0;
    this.paint = () => [];
  }

  get isCurrent() {
    return current === this;
  }

  get(path, filters) {
    return get(path, filters, this.leaving.signal);
  }

  title(text) {
    document.title = `${text} · Motet`;
  }

  /** Draw what `paint` describes, now and at each `redraw`. */
  draw(paint) {
    this.paint = paint;
    this.redraw();
  }

  redraw() {
    if (!this.isCurrent || this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.isCurrent) return;
      render(main(), this.paint());
      if (main().inert) {
        main().inert = false;
        main().focus({ preventScroll: true });
      }
    });
  }

  /** Be told of changes until this page is left; a later call replaces the stream of an earlier one. */
  live(filters, handlers) {
    if (!this.isCurrent) return;
    this.stream?.close();
    this.stream = new Live(filters, handlers, report);
  }

  /** Keep a filter in the address, without a step in the history. */
  setQuery(filters) {
    if (!this.isCurrent) return;
    for (const [name, value] of Object.entries(filters)) {
      if (value === null || value === undefined || value === "") this.query.delete(name);
      else this.query.set(name, value);
    }
    const text = this.query.toString().replaceAll("%2C", ",");
    history.replaceState(history.state, "", location.pathname + (text ? `?${text}` : ""));
  }

  leave() {
    this.leaving.abort();
    this.stream?.close();
    for (const cleanup of this.cleanups) cleanup();
  }
}

export function currentPage() {
  return current;
}

export function navigate(href) {
  history.pushState({}, "", href);
  window.scrollTo(0, 0);
  open();
}

/** Show the page of the current address. */
export async function open() {
  current?.leave();
  const match = ROUTES.map(([pattern, load]) => [pattern.exec(location.pathname), load]).find(([found]) => found);
  const page = new Page(match?.[0].groups?.id, new URLSearchParams(location.search));
  current = page;
  main().inert = true; // until this page is drawn: what is still there belongs to the one before
  markNavigation();
  try {
    if (!match) throw new Error(`There is no page at ${location.pathname}.`);
    const module = await match[1]();
    if (!page.isCurrent) return;
    await module.show(page);
  } catch (error) {
    if (error.name !== "AbortError" && page.isCurrent) showError(page, error);
  }
}

function showError(page, error) {
  page.title("Not found");
  page.draw(() => [
    h("div", { class: "panel fault", role: "alert" }, h("h1", null, error.status === 404 ? "Not found" : "That did not work"),
      h("p", null, error.message), h("p", null, h("a", { href: "/apps" }, "All apps"))),
  ]);
}

function report(state) {
  const node = document.getElementById("connection");
  node.className = state;
  node.textContent = { live: "live", lost: "not connected", hidden: "paused" }[state];
  node.title = state === "lost" ? "The server is gone or does not answer; trying again." : "";
}

function markNavigation() {
  const section = ["/logs", "/calls", "/sandboxes"].find((each) => location.pathname.startsWith(each)) ?? "/apps";
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.getAttribute("href") === section) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
