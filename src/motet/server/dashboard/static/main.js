// The frame around the pages.

import { onKey, showKeys } from "./keys.js";
import { COMMAND } from "./api.js";
import { navigate, open } from "./router.js";
import { applyTheme, toggleTheme } from "./theme.js";

const KINDS = { ap: "apps", fu: "functions", fc: "calls", in: "inputs", ta: "containers" };

function onClick(event) {
  const link = event.target.closest("a[href^='/']");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || link.target) return;
  event.preventDefault();
  navigate(link.getAttribute("href"));
}

function onGoTo(event) {
  event.preventDefault();
  const field = document.getElementById("goto-id");
  const text = field.value.trim();
  if (!text) return;
  const kind = KINDS[/^(\w\w)-\S+$/.exec(text)?.[1]];
  navigate(kind ? `/${kind}/${encodeURIComponent(text)}` : `/logs?search=${encodeURIComponent(text)}`);
  field.value = "";
  field.blur();
}

async function logOut() {
  await fetch("/logout", { method: "POST", redirect: "manual", headers: COMMAND, body: "{}" });
  location.assign("/");
}

applyTheme();
document.addEventListener("click", onClick);
document.addEventListener("keydown", onKey);
document.getElementById("goto").addEventListener("submit", onGoTo);
document.getElementById("theme").addEventListener("click", toggleTheme);
document.getElementById("logout").addEventListener("click", logOut);
document.getElementById("help").addEventListener("click", showKeys);
window.addEventListener("popstate", open);
open();
