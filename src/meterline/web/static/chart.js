// Charts drawn from their table twins: the table is the model, so chart and table cannot disagree.
"use strict";
const charts = (() => {
  const COLORS = ["--series-0", "--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6", "--series-7"];
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const drawn = new Map();

  // In English everywhere: other tongues' "m" may be thousand, million or minute.
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });
  const usd = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD" });
  const plain = new Intl.NumberFormat(undefined, { maximumFractionDigits: 3 });
  const format = (unit, value) => (value == null ? "–" : unit === "usd" ? usd.format(value) : plain.format(value));

  // Returns [times, ...columns] out of a table: data-at in seconds on the row, data-value on row or cells.
  function read(table) {
    const rows = [...table.tBodies[0].rows];
    const times = rows.map((row) => Number(row.dataset.at));
    if (rows.length && rows[0].dataset.value !== undefined) return [times, rows.map((row) => Number(row.dataset.value))];
    const width = table.tHead.rows[0].cells.length - 1;
    const columns = Array.from({ length: width }, (_, at) => rows.map((row) => Number(row.cells[at + 1].dataset.value)));
    return [times, ...columns];
  }

  // Stacked: each series becomes the sum of itself and those below it, the tallest drawn first.
  function stacked([times, ...columns]) {
    const sums = columns.map((_, at) => times.map((_, row) => columns.slice(0, at + 1).reduce((sum, column) => sum + column[row], 0)));
    return [times, ...sums.reverse()];
  }

  // Times in the reader's own way; the day where one begins.
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
  function clock(_, ticks) {
    const step = ticks.length > 1 ? ticks[1] - ticks[0] : 60;
    const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: step < 60 ? "2-digit" : undefined });
    return ticks.map((tick) => {
      const at = new Date(tick * 1000);
      return step >= 3600 && at.getHours() === 0 ? day.format(at) : time.format(at);
    });
  }

  function axes(unit) {
    const common = { stroke: style("--quiet"), grid: { stroke: style("--line"), width: 1 }, ticks: { show: false }, font: `11px ${style("--font")}` };
    const values = (_, ticks) => ticks.map((tick) => (unit === "usd" ? "$" : "") + compact.format(tick));
    return [{ ...common, grid: { show: false }, space: 84, size: 30, values: clock }, { ...common, size: 62, values }];
  }

  function tooltip(unit, names, raw) {
    const box = document.createElement("div");
    box.className = "tip";
    box.hidden = true;
    const clock = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: unit === "hour" ? undefined : "2-digit" });
    return {
      hooks: {
        init: (plot) => plot.over.append(box),
        setCursor: (plot) => {
          const { idx, left } = plot.cursor;
          box.hidden = idx == null;
          if (idx == null) return;
          const columns = raw();
          const lines = names().map((name, at) => `${names().length > 1 ? name + "  " : ""}${format(unit, columns[at + 1]?.[idx])}`);
          box.textContent = [clock.format(new Date(columns[0][idx] * 1000)), ...lines].join("\n");
          box.classList.toggle("left", left > plot.over.clientWidth / 2);
        },
      },
    };
  }

  function options(element, width, names, raw) {
    const unit = element.dataset.unit ?? "hour";
    const bars = element.dataset.kind === "bars";
    const count = names().length;
    const series = names().map((_, at) => {
      const color = style(COLORS[(bars ? count - 1 - at : at) % COLORS.length]);
      if (bars) return { fill: color, stroke: color, width: 0, paths: uPlot.paths.bars({ size: [0.78, 44] }), points: { show: false } };
      const fill = (plot) => {
        const shade = plot.ctx.createLinearGradient(0, plot.bbox.top, 0, plot.bbox.top + plot.bbox.height);
        shade.addColorStop(0, color + "38");
        shade.addColorStop(1, color + "00");
        return shade;
      };
      return { stroke: color, width: 1.75, fill, points: { show: false }, paths: uPlot.paths.spline?.() };
    });
    const range = (_, low, high) => {
      if (low == null) return [0, 1];
      if (unit !== "usd") return [0, Math.max(high * 1.12, 1)];
      const room = Math.max((high - low) * 0.15, high * 1e-6, 0.005);
      return [Math.max(0, low - room), high + room];
    };
    return {
      width, height: element.clientHeight || 200, series: [{}, ...series], axes: axes(unit),
      scales: { x: { time: true, range: bars ? (_, low, high) => [low - 1800, high + 1800] : undefined }, y: { range } },
      legend: { show: false }, cursor: { y: false, drag: { x: false, y: false }, points: { show: !bars, size: 7 } },
      padding: [10, 26, 0, 0], plugins: [tooltip(unit, names, raw)],
    };
  }

  function draw(element) {
    drawn.get(element)?.plot.destroy();
    element.replaceChildren();
    const table = document.getElementById(element.dataset.table);
    if (!table || !element.clientWidth) return;
    let raw = read(table);
    const names = () => [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent);
    const shown = () => (element.dataset.kind === "bars" ? stacked(raw) : raw);
    const plot = new uPlot(options(element, element.clientWidth, names, () => raw), shown(), element);
    const update = () => { raw = read(table); plot.setData(shown()); };
    element.dataset.points = String(raw[0].length);
    drawn.set(element, { plot, update, values: () => raw });
  }

  const all = () => document.querySelectorAll("[data-chart]");
  function drawAll() { all().forEach(draw); }

  // Adds a point to a chart's table and drops the oldest beyond its limit. Does not draw.
  function add(id, point) {
    const element = document.querySelector(`[data-chart="${id}"]`);
    const body = element && document.getElementById(element.dataset.table)?.tBodies[0];
    if (!body) return;
    const last = body.rows[body.rows.length - 1];
    if (last && Number(last.dataset.at) >= point.at) return;
    const row = body.insertRow();
    row.dataset.at = String(point.at);
    row.dataset.value = String(point.value);
    const time = document.createElement("time");
    time.dateTime = new Date(point.at * 1000).toISOString();
    time.dataset.style = "time";
    row.insertCell().append(time);
    const cell = row.insertCell();
    cell.className = "number";
    cell.textContent = point.text;
    while (body.rows.length > Number(element.dataset.pointsMax)) body.deleteRow(0);
    element.dataset.points = String(body.rows.length);
  }

  function refresh() { drawn.forEach(({ update }) => update()); }

  let width = 0;
  new ResizeObserver(() => {
    if (document.body.clientWidth === width) return;
    width = document.body.clientWidth;
    drawAll();
  }).observe(document.documentElement);
  document.addEventListener("theme", drawAll);
  return { drawAll, add, refresh, values: (id) => drawn.get(document.querySelector(`[data-chart="${id}"]`))?.values() };
})();
