// Light, dark, or as the system is.

const ORDER = ["auto", "light", "dark"];
const SIGNS = { auto: "◐", light: "☀", dark: "☾" };

export function applyTheme() {
  const theme = localStorage.getItem("motet-theme") ?? "auto";
  document.documentElement.dataset.theme = theme;
  const button = document.getElementById("theme");
  button.textContent = SIGNS[theme] ?? SIGNS.auto;
  button.setAttribute("aria-label", `Colours: ${theme}`);
}

export function toggleTheme() {
  const theme = localStorage.getItem("motet-theme") ?? "auto";
  localStorage.setItem("motet-theme", ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length]);
  applyTheme();
}
