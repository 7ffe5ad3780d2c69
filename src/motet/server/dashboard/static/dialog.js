// Questions before something is done, and what there is to say afterwards.

import { h, render } from "./vdom.js";

const dialog = () => document.getElementById("dialog");

/** Show a dialog with these children until it is closed; what it was closed with. */
export function ask(children) {
  const node = dialog();
  render(node, []); // nothing of an earlier question, such as what was ticked there
  render(node, children);
  node.returnValue = "";
  node.showModal();
  return new Promise((resolve) => {
    node.addEventListener("close", () => resolve(node.returnValue), { once: true });
  });
}

/** Ask for a confirmation; `options`: checkboxes by name. The chosen options if it is given, else null. */
export async function confirm({ title, text, action, danger = false, options = [] }) {
  const chosen = Object.fromEntries(options.map(({ name }) => [name, false]));
  const answer = await ask(
    h("form", { method: "dialog" },
      h("h2", null, title),
      [text].flat().map((line) => h("p", null, line)),
      options.map(({ name, label }) =>
        h("label", { class: "check" },
          h("input", { type: "checkbox", checked: false, onchange: (event) => (chosen[name] = event.target.checked) }), label)),
      h("div", { class: "actions" },
        h("button", { value: "", autofocus: danger }, "Leave it"),
        h("button", { value: "yes", class: danger ? "danger" : "primary", autofocus: !danger }, action))));
  return answer === "yes" ? chosen : null;
}

/** Say how something went, for a while. */
export function toast(text, isFault = false) {
  const node = document.createElement("div");
  node.className = isFault ? "toast fault" : "toast";
  node.setAttribute("role", isFault ? "alert" : "status");
  node.textContent = text;
  document.body.append(node);
  setTimeout(() => node.remove(), isFault ? 10_000 : 4000);
}

/** Do it, and say how it went. */
export async function carryOut(command, done) {
  try {
    const value = await command();
    toast(done);
    return value;
  } catch (error) {
    toast(error.message, true);
    return null;
  }
}
