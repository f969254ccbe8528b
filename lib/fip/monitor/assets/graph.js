// The pipeline as a graph: ventilator, workers, sink; coloured by how each spends its time.

import { svg } from "./dom.js";

const BOX = 112; // height of a box
const WIDE = { width: 1000, height: 172, boxes: [[0, 34, 214], [352, 34, 296], [786, 34, 214]] };
const NARROW = { width: 380, height: 510, boxes: [[0, 26, 380], [0, 206, 380], [0, 386, 380]] }; // one below the other
const NARROW_BELOW = 560; // pixels of the page
const ILL = new Set(["gone", "silent", "hung", "stalled"]);

export function drawGraph(place, state) {
  const [source, workers, sink] = ["source", "workers", "sink"].map((name) => state.panels.find((panel) => panel.name === name));
  place.hidden = !source; // nothing works in a directory that is only looked at
  if (!source) return;
  const layout = place.clientWidth < NARROW_BELOW ? NARROW : WIDE, [first, middle, last] = layout.boxes;
  const drawn = svg("svg", { viewBox: `0 0 ${layout.width} ${layout.height}`, role: "img", "aria-label": describe(state, source, workers, sink) });
  box(drawn, first, source, state.bottleneck === "source", state.ventilator?.status.host);
  box(drawn, middle, workers, state.bottleneck === "workers", "", state.workers);
  box(drawn, last, sink, state.bottleneck === "sink", state.sink?.status.host);
  edge(drawn, first, middle, source, state.ventilator?.trend?.rates.slices);
  edge(drawn, middle, last, sink, state.sink?.trend?.rates.images);
  place.replaceChildren(drawn);
}

function box(drawn, [x, top, width], panel, bottleneck, note, cells = []) {
  drawn.append(
    svg("rect", { class: `box ${panel.level === "bad" ? "ill" : bottleneck ? "bottleneck" : ""}`, x: x + 1, y: top, width: width - 2, height: BOX, rx: 10 }),
    svg("text", { class: "name", x: x + 16, y: top + 27 }, panel.title,
      svg("tspan", { class: "muted", dx: 10 }, cells.length ? panel.summary.split(" · ")[0] : "")));
  const inner = width - 32;
  if (cells.length) drawCells(drawn, x + 16, top + 40, inner, cells);
  else drawn.append(svg("text", { class: "muted", x: x + 16, y: top + 47 }, note || panel.summary));
  if (panel.bar) {
    let at = x + 16;
    for (const [kind, share] of panel.bar[0]) {
      drawn.append(svg("rect", { class: kind, x: at, y: top + 72, width: Math.max(0, share * inner), height: 9 }));
      at += share * inner;
    }
    drawn.append(svg("text", { class: "muted", x: x + 16, y: top + 99 }, panel.bar[1]));
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

/** The way between two boxes, and what flows there, which a panel says. */
function edge(drawn, from, to, { facts }, rate) {
  const down = from[0] === to[0]; // boxes are one below the other
  const [x1, y1] = down ? [from[0] + 40, from[1] + BOX] : [from[0] + from[2], from[1] + BOX / 2];
  const [x2, y2] = down ? [x1, to[1]] : [to[0], y1];
  const line = { x1, y1, x2: down ? x2 : x2 - 8, y2: down ? y2 - 8 : y2 };
  const head = down ? `M${x2 - 5} ${y2 - 9}L${x2} ${y2}L${x2 + 5} ${y2 - 9}Z` : `M${x2 - 9} ${y2 - 5}L${x2} ${y2}L${x2 - 9} ${y2 + 5}Z`;
  drawn.append(svg("line", { class: "edge", ...line }), svg("path", { class: "idle", d: head }));
  if (rate > 0) drawn.append(svg("line", { class: "flow", ...line }));
  const [x, y, anchor] = down ? [x1 + 18, (y1 + y2) / 2 + 6, "start"] : [(x1 + x2) / 2, y1, "middle"];
  const [things, bytes] = facts.find(([name]) => name === "flow")?.[1] || [];
  if (things) {
    drawn.append(svg("text", { x, y: y - 12, "text-anchor": anchor }, things),
      svg("text", { class: "muted", x, y: y + (down ? 6 : 22), "text-anchor": anchor }, bytes));
  }
}

function describe(state, ...panels) {
  const said = panels.map(({ title, summary, bar }) => [`${title}: ${summary}`, bar?.[1]].filter(Boolean).join(", "));
  return `Pipeline. ${said.join("; ")}; ${state.bottleneck ? `the bottleneck is the ${state.bottleneck}` : "no bottleneck"}`;
}
