// Runs before the page is drawn, so that a reader who chose a theme never sees the other one flash by.
"use strict";
(() => {
  const kept = localStorage.getItem("meterline-theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = localStorage.getItem("meterline-theme");
    document.documentElement.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
    document.dispatchEvent(new Event("theme"));
  };
  if (kept !== "dark" && kept !== "light") localStorage.removeItem("meterline-theme");
  apply();
  system.addEventListener("change", apply);
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-toggle]")) return;
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("meterline-theme", next);
    apply();
  });
})();
