// Keeps a part of the page like a description of it. What has not changed is left alone, with its focus and its scrolling.
// Text is only ever put in as text, so nothing that a program wrote can become markup.

const SVG_TAGS = new Set(["svg", "path", "line", "text", "rect", "g", "circle", "title"]);
const PROPERTIES = new Set(["value", "checked", "disabled", "open", "hidden", "selected"]);

/** A description of an element. `props`: attributes, `on...` handlers, `style` as an object, `key` among its siblings, and
 *  `made`, called with the new element. An element with `own: true` sees to its children itself. */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, children: clean(children) };
}

/** Make the children of `parent` be like these. */
export function render(parent, children) {
  const wanted = clean([children]);
  const keyed = new Map();
  const rest = [];
  for (const drawn of parent.drawn ?? []) {
    if (drawn.props?.key === undefined) rest.push(drawn);
    else keyed.set(drawn.props.key, drawn);
  }
  let cursor = parent.firstChild;
  const kept = new Set();
  for (const item of wanted) {
    const before = item.props?.key === undefined ? takeLike(rest, item) : keyed.get(item.props.key);
    if (before === undefined || before.tag !== item.tag) {
      item.node = create(item);
    } else {
      item.node = before.node;
      if (before !== item) update(before, item);
    }
    kept.add(item.node);
    if (item.node === cursor) cursor = cursor.nextSibling;
    else parent.insertBefore(item.node, cursor);
  }
  for (const drawn of parent.drawn ?? []) if (!kept.has(drawn.node)) drawn.node.remove();
  parent.drawn = wanted;
}

function clean(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "")
    .map((child) => (typeof child === "object" ? child : { tag: "", text: String(child) }));
}

function takeLike(rest, item) {
  const index = rest.findIndex((drawn) => drawn.tag === item.tag);
  return index < 0 ? undefined : rest.splice(index, 1)[0];
}

function create(item) {
  if (item.tag === "") return document.createTextNode(item.text);
  const node = SVG_TAGS.has(item.tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", item.tag)
    : document.createElement(item.tag);
  if (!item.props.own) render(node, item.children);
  // After the children: a select's value is one of its options.
  for (const [name, value] of Object.entries(item.props)) setProp(node, name, value);
  item.props.made?.(node);
  return node;
}

function update(before, item) {
  const node = item.node;
  if (item.tag === "") {
    if (before.text !== item.text) node.data = item.text;
    return;
  }
  if (!item.props.own) render(node, item.children);
  for (const name of Object.keys(before.props)) if (!(name in item.props)) setProp(node, name, null);
  for (const [name, value] of Object.entries(item.props)) {
    if (before.props[name] !== value) setProp(node, name, value);
  }
}

function setProp(node, name, value) {
  if (name === "key" || name === "own" || name === "made") return;
  // What somebody is typing is newer than any description of it.
  if (name === "value" && node === document.activeElement) return;
  if (name.startsWith("on")) node[name] = value;
  else if (name === "style") for (const [rule, text] of Object.entries(value ?? {})) node.style.setProperty(rule, text);
  else if (PROPERTIES.has(name)) node[name] = value ?? "";
  else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}
