// The pipeline as a graph: ventilator, workers, sink; coloured by how each spends its time.

import { svg } from "./dom.js";
import { bytes, number } from "./format.js";

const BOX = 112; // height of a box
const WIDE = { width: 1000, height: 172, boxes: [[0, 34, 200], [345, 34, 310], [800, 34, 200]] };
const NARROW = { width: 380, height: 510, boxes: [[0, 26, 380], [0, 206, 380], [0, 386, 380]] }; // one below the other
const NARROW_BELOW = 560; // pixels of the page
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
  const layout = place.clientWidth < NARROW_BELOW ? NARROW : WIDE, [first, middle, last] = layout.boxes;
  const drawn = svg("svg", { viewBox: `0 0 ${layout.width} ${layout.height}`, role: "img", "aria-label": describe(state, living) });
  const all = state.workers.length, count = living.length === all ? `${all}` : `${living.length} of ${all}`;
  box(drawn, first, "ventilator", source, state.bottleneck === "source", state.ventilator?.status.host || "not heard");
  box(drawn, middle, `${count} ${all === 1 ? "worker" : "workers"}`, living, state.bottleneck === "workers",
    all ? "" : "none", state.workers);
  box(drawn, last, "sink", sink, state.bottleneck === "sink", state.sink?.status.host || "not heard");
  edge(drawn, first, middle, rate(source, "slices"), "slices/s", rate(source, "bytes_out"));
  edge(drawn, middle, last, rate(sink, "images"), "images/s", rate(sink, "bytes_in"));
  place.replaceChildren(drawn);
}

function box(drawn, [x, top, width], name, views, bottleneck, note, cells = []) {
  const ill = views.some((view) => ILL.has(view.state)) || cells.some((view) => view.state === "gone");
  drawn.append(
    svg("rect", { class: `box ${ill ? "ill" : bottleneck ? "bottleneck" : ""}`, x: x + 1, y: top, width: width - 2, height: BOX, rx: 10 }),
    svg("text", { class: "name", x: x + 16, y: top + 27 }, name));
  const spent = shares(views), inner = width - 32;
  if (cells.length) drawCells(drawn, x + 16, top + 40, inner, cells);
  else drawn.append(svg("text", { class: "muted", x: x + 16, y: top + 47 }, note));
  if (spent) {
    let at = x + 16;
    for (const kind of ["busy", "blocked", "idle"]) {
      drawn.append(svg("rect", { class: kind, x: at, y: top + 72, width: Math.max(0, spent[kind] * inner), height: 9 }));
      at += spent[kind] * inner;
    }
    const percent = (kind) => `${Math.round(100 * spent[kind])} % ${kind}`;
    const said = ["busy", "blocked", "idle"].filter((kind) => spent[kind] >= 0.005).map(percent).join(", ");
    drawn.append(svg("text", { class: "muted", x: x + 16, y: top + 99 }, said));
  }
  if (bottleneck) drawn.append(svg("text", { class: "tag", x: x + width / 2, y: top - 12, "text-anchor": "middle" }, "▼ bottleneck"));
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
  const down = from[0] === to[0]; // boxes are one below the other
  const [x1, y1] = down ? [from[0] + 40, from[1] + BOX] : [from[0] + from[2], from[1] + BOX / 2];
  const [x2, y2] = down ? [x1, to[1]] : [to[0], y1];
  const line = { x1, y1, x2: down ? x2 : x2 - 8, y2: down ? y2 - 8 : y2 };
  const head = down ? `M${x2 - 5} ${y2 - 9}L${x2} ${y2}L${x2 + 5} ${y2 - 9}Z` : `M${x2 - 9} ${y2 - 5}L${x2} ${y2}L${x2 - 9} ${y2 + 5}Z`;
  drawn.append(svg("line", { class: "edge", ...line }), svg("path", { class: "idle", d: head }));
  if (each > 0) drawn.append(svg("line", { class: "flow", ...line }));
  const [x, y, anchor] = down ? [x1 + 18, (y1 + y2) / 2 + 6, "start"] : [(x1 + x2) / 2, y1, "middle"];
  drawn.append(svg("text", { x, y: y - 12, "text-anchor": anchor }, `${number(each, 2)} ${unit}`),
    svg("text", { class: "muted", x, y: y + (down ? 6 : 22), "text-anchor": anchor }, `${bytes(flow)}/s`));
}

function describe(state, living) {
  const ill = state.workers.filter((worker) => ILL.has(worker.state)).map((worker) => `${worker.status.name} ${worker.state}`);
  return `Pipeline: ventilator ${state.ventilator?.state || "not heard"}, ${living.length} workers` +
    `${ill.length ? ` (${ill.join(", ")})` : ""}, sink ${state.sink?.state || "not heard"}; ` +
    (state.bottleneck ? `the bottleneck is the ${state.bottleneck}` : "no bottleneck");
}
