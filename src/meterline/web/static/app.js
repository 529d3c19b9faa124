// What the pages need beside htmx: local times, live charts, and saying whether the figures are live.
"use strict";
(() => {
  const STYLES = {
    time: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
    hour: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" },
    day: { year: "numeric", month: "short", day: "numeric" },
  };
  const formats = Object.fromEntries(Object.entries(STYLES).map(([name, style]) => [name, new Intl.DateTimeFormat(undefined, style)]));

  // Every <time> comes from the server in UTC and is shown in the reader's zone, UTC in its title.
  function localTimes() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      if (time.dataset.shown === time.dateTime && time.textContent === time.dataset.text) continue;
      const at = new Date(time.dateTime);
      time.textContent = (formats[time.dataset.style] ?? formats.time).format(at);
      time.title = at.toISOString();
      time.dataset.shown = time.dateTime;
      time.dataset.text = time.textContent;
    }
  }

  function say(state) {
    for (const element of document.querySelectorAll("[data-live-state]")) {
      if (element.dataset.liveState === state) continue;
      element.dataset.liveState = state;
      element.textContent = state;
    }
  }

  const live = document.querySelector("[data-live]");
  if (live) {
    live.addEventListener("points", (event) => {
      for (const [id, points] of Object.entries(JSON.parse(event.detail.data))) points.forEach((point) => charts.add(id, point));
      charts.refresh();
      localTimes();
    });
    live.addEventListener("usage", (event) => {
      const part = document.createElement("template");
      part.innerHTML = event.detail.data;
      const rows = part.content.querySelector("tbody");
      const table = document.getElementById("usage-table");
      const same = part.content.querySelector("thead").textContent === table.tHead.textContent;
      if (!same) return location.reload();
      table.tBodies[0].replaceWith(rows);
      charts.refresh();
      localTimes();
    });
    document.addEventListener("htmx:sse:after:connection", () => say("live"));
    document.addEventListener("htmx:sse:after:message", () => { say("live"); localTimes(); });
    document.addEventListener("htmx:sse:error", (event) => {
      if (event.detail.status === 401) return location.assign("/sign-in?next=" + encodeURIComponent(location.pathname));
      say("reconnecting");
    });
    document.addEventListener("htmx:sse:close", () => say("stopped"));
  }

  document.addEventListener("change", (event) => event.target.closest("form[data-submit-on-change]")?.requestSubmit());
  document.addEventListener("htmx:after:swap", localTimes);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, select, textarea")) return;
    const search = document.getElementById("search");
    if (search) { event.preventDefault(); search.focus(); } else location.assign("/customers");
  });

  localTimes();
  charts.drawAll();
})();
