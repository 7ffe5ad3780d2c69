// Small charts of numbers over time.

import { clock } from "./format.js";
import { h, render } from "./vdom.js";

const HEIGHT = 132;
const LEFT = 44;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 18;

/** A chart with its own element, which redraws itself. `series`: {name, color, kind: "line" | "area" | "step"}, whose points
 *  `update` gets, as [seconds, value] in order. */
export class Chart {
  constructor(title, series, format) {
    this.title = title;
    this.series = series;
    this.format = format;
    this.points = series.map(() => []);
    this.since = 0;
    this.until = 1;
    this.hover = null;
    this.node = h("figure", { class: "chart", own: true, key: title, made: (node) => this.#mounted(node) });
  }

  update(since, until, points) {
    this.since = since;
    this.until = until;
    this.points = points;
    this.#draw();
  }

  #mounted(node) {
    this.element = node;
    new ResizeObserver(() => this.#draw()).observe(node);
    node.onpointermove = (event) => this.#hoverAt(event.clientX - node.getBoundingClientRect().left);
    node.onpointerleave = () => this.#hoverAt(null);
  }

  #hoverAt(x) {
    const width = this.#width();
    this.hover = x === null || x < LEFT || x > width - RIGHT ? null : this.since + ((x - LEFT) / (width - LEFT - RIGHT)) * (this.until - this.since);
    this.#draw();
  }

  #width() {
    return Math.max(160, this.element?.clientWidth ?? 320);
  }

  #draw() {
    if (!this.element) return;
    const width = this.#width();
    const top = niceCeiling(Math.max(...this.points.flat().map(([at, value]) => (at >= this.since ? value : 0)), 0));
    const x = (at) => LEFT + ((at - this.since) / (this.until - this.since)) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
    render(this.element, [this.#caption(), this.#picture(width, top, x, y)]);
  }

  #caption() {
    const at = this.hover ?? this.until;
    return h("figcaption", null,
      h("b", null, this.title),
      this.series.map(({ name, color }, index) => {
        const value = valueAt(this.points[index], at);
        return h("span", { class: "key" }, h("i", { class: `swatch ${color}` }), name, " ", h("output", null, value === null ? "–" : this.format(value)));
      }),
      this.hover && h("time", null, clock(this.hover)));
  }

  #picture(width, top, x, y) {
    const clip = (points) => points.filter(([at], index) => at >= this.since || points[index + 1]?.[0] >= this.since).map(([at, value]) => [Math.max(at, this.since), value]);
    const spoken = this.series.map(({ name }, index) => `${name} ${this.format(valueAt(this.points[index], this.until) ?? 0)}`).join(", ");
    return h("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `${this.title}: now ${spoken}` },
      [0, 0.5, 1].map((share) => [
        h("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(top * share), y2: y(top * share) }),
        h("text", { class: "tick", x: LEFT - 6, y: y(top * share) + 4, "text-anchor": "end" }, this.format(top * share)),
      ]),
      ticks(this.since, this.until, width < 420 ? 3 : 5).map((at) =>
        h("text", { class: "tick", x: x(at), y: HEIGHT - 3, "text-anchor": "middle" }, clock(at).slice(0, this.until - this.since > 900 ? 5 : 8))),
      this.series.map(({ color, kind }, index) => shape(clip(this.points[index]), kind, color, x, y)),
      this.hover && h("line", { class: "cursor", x1: x(this.hover), x2: x(this.hover), y1: TOP, y2: HEIGHT - BOTTOM }));
  }
}

function shape(points, kind, color, x, y) {
  if (!points.length) return null;
  let path = "";
  for (const [index, [at, value]] of points.entries()) {
    if (index === 0) path += `M${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    else path += kind === "line" ? `L${x(at).toFixed(1)} ${y(value).toFixed(1)}` : `H${x(at).toFixed(1)}V${y(value).toFixed(1)}`;
  }
  const area = `${path}V${y(0).toFixed(1)}H${x(points[0][0]).toFixed(1)}Z`;
  return [
    h("path", { class: `area ${color}`, d: kind === "area" ? area : "M0 0" }),
    h("path", { class: `line ${color}`, d: path }),
    points.length === 1 || kind === "line" ? points.slice(-1).map(([at, value]) => h("circle", { class: `end ${color}`, r: 2, cx: x(at), cy: y(value) })) : null,
  ];
}

function valueAt(points, at) {
  let found = null;
  for (const [when, value] of points) {
    if (when > at) break;
    found = value;
  }
  return found;
}

/** The next number of 1, 2 or 5 times a power of ten. */
export function niceCeiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 8, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

function ticks(since, until, about) {
  const step = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400].find((each) => (until - since) / each <= about) ?? 604_800;
  const found = [];
  for (let at = Math.ceil(since / step) * step; at <= until - step / 4; at += step) if (at > since + step / 4) found.push(at);
  return found;
}
