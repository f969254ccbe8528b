// The pipeline as a graph: ventilator, workers, sink; coloured by how each spends its time.

import { svg } from "./dom.js";
import { bytes, number } from "./format.js";

const WIDTH = 1000, HEIGHT = 190, BOX = 112, TOP = 34;
const ILL = new Set(["gone", "silent", "hung", "stalled"]);

/** Shares of time of some daemons together: the mean of those that are heard. */
export function shares(views) {
  const known = views.filter((view) => view.trend && !view.since).map((view) => view.trend.shares);
  const mean = (kind) => known.reduce((sum, each) => sum + each[kind], 0) / known.length;
  return known.length ? { busy: mean("busy"), idle: mean("idle"), blocked: mean("blocked") } : null;
}

export function rate(views, counter) {
  return views.filter((view) => !view.since).reduce((sum, view) => sum + (view.trend?.rates[counter] || 0), 0);
}

export function drawGraph(place, state) {
  const living = state.workers.filter((worker) => worker.state !== "gone");
  const source = state.ventilator ? [state.ventilator] : [], sink = state.sink ? [state.sink] : [];
  const drawn = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": describe(state, living) });
  box(drawn, 0, 200, "ventilator", source, state.bottleneck === "source", state.ventilator?.status.host || "not heard");
  box(drawn, 345, 310, living.length === 1 ? "1 worker" : `${living.length} workers`, living, state.bottleneck === "workers",
    living.length ? "" : "none", state.workers);
  box(drawn, 800, 200, "sink", sink, state.bottleneck === "sink", state.sink?.status.host || "not heard");
  edge(drawn, 200, 345, rate(source, "slices"), "slices/s", rate(source, "bytes_out"));
  edge(drawn, 655, 800, rate(sink, "images"), "images/s", rate(sink, "bytes_in"));
  place.replaceChildren(drawn);
}

function box(drawn, x, width, name, views, bottleneck, note, cells = []) {
  const ill = views.some((view) => ILL.has(view.state)) || cells.some((view) => view.state === "gone");
  drawn.append(
    svg("rect", { class: `box ${ill ? "ill" : bottleneck ? "bottleneck" : ""}`, x: x + 1, y: TOP, width: width - 2, height: BOX, rx: 10 }),
    svg("text", { class: "name", x: x + 16, y: TOP + 27 }, name));
  const spent = shares(views), inner = width - 32;
  if (cells.length) drawCells(drawn, x + 16, TOP + 40, inner, cells);
  else drawn.append(svg("text", { class: "muted", x: x + 16, y: TOP + 47 }, note));
  if (spent) {
    let at = x + 16;
    for (const kind of ["busy", "blocked", "idle"]) {
      drawn.append(svg("rect", { class: kind, x: at, y: TOP + 72, width: Math.max(0, spent[kind] * inner), height: 9 }));
      at += spent[kind] * inner;
    }
    const percent = (kind) => `${Math.round(100 * spent[kind])} % ${kind}`;
    const said = ["busy", "blocked", "idle"].filter((kind) => spent[kind] >= 0.005).map(percent).join(", ");
    drawn.append(svg("text", { class: "muted", x: x + 16, y: TOP + 99 }, said));
  }
  if (bottleneck) drawn.append(svg("text", { class: "tag", x: x + width / 2, y: TOP - 12, "text-anchor": "middle" }, "▼ bottleneck"));
}

function drawCells(drawn, x, y, width, views) {
  const rows = views.length > 24 ? 2 : 1, columns = Math.ceil(views.length / rows), gap = columns > 30 ? 1 : 3;
  const wide = Math.min(30, width / columns - gap), high = rows === 2 ? 10 : 18;
  views.forEach((view, k) => {
    const spent = view.trend?.shares, left = x + (k % columns) * (wide + gap), top = y + Math.floor(k / columns) * (high + 2);
    const kind = ILL.has(view.state) ? "ill" : !spent ? "idle" : spent.busy >= spent.blocked && spent.busy > 0.3 ? "busy"
      : spent.blocked > 0.3 ? "blocked" : "idle";
    drawn.append(svg("rect", { class: kind, x: left, y: top, width: wide, height: high, rx: 3, "data-worker": view.status.name,
      "data-state": view.state }, svg("title", {}, `${view.status.host}/${view.status.name}: ${view.state}`)));
  });
}

function edge(drawn, from, to, each, unit, flow) {
  const y = TOP + BOX / 2, middle = (from + to) / 2;
  drawn.append(svg("line", { class: "edge", x1: from, x2: to - 8, y1: y, y2: y }),
    svg("path", { class: "idle", d: `M${to - 9} ${y - 5}L${to} ${y}L${to - 9} ${y + 5}Z` }));
  if (each > 0) drawn.append(svg("line", { class: "flow", x1: from, x2: to - 8, y1: y, y2: y }));
  drawn.append(svg("text", { x: middle, y: y - 12, "text-anchor": "middle" }, `${number(each, 2)} ${unit}`),
    svg("text", { class: "muted", x: middle, y: y + 22, "text-anchor": "middle" }, `${bytes(flow)}/s`));
}

function describe(state, living) {
  const ill = state.workers.filter((worker) => ILL.has(worker.state)).map((worker) => `${worker.status.name} ${worker.state}`);
  return `Pipeline: ventilator ${state.ventilator?.state || "not heard"}, ${living.length} workers` +
    `${ill.length ? ` (${ill.join(", ")})` : ""}, sink ${state.sink?.state || "not heard"}; ` +
    (state.bottleneck ? `the bottleneck is the ${state.bottleneck}` : "no bottleneck");
}
