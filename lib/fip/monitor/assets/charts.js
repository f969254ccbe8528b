// Plots of values against time, as SVG that fits its place.

import { svg } from "./dom.js";
import { clock } from "./format.js";

const LEFT = 52, RIGHT = 10, TOP = 20, BOTTOM = 22;

/** Round values from low to high, about `count`. */
export function ticks(low, high, count) {
  const span = high - low || Math.abs(high) || 1, raw = span / count, ten = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((digit) => digit * ten).find((each) => each >= raw * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9 * span; k++) found.push(k * step);
  return found;
}

function timeTicks(low, high, count) {
  const raw = (high - low) / count;
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const step = steps.find((each) => each >= raw) || 86400 * Math.ceil(raw / 86400);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(k * step);
  return found;
}

/**
 * Draws points {time, value, error?, doubt?, slice} into `place`.
 * `options`: unit, factor (values are divided by it), dots, current (slice), pick(slice), label.
 */
export function plot(place, points, options) {
  const width = place.clientWidth || 400, height = place.clientHeight || 170;
  const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const good = points.filter((point) => point.value !== null && isFinite(point.value));
  if (!good.length) {
    drawn.append(svg("text", { x: width / 2, y: height / 2, "text-anchor": "middle", class: "none" }, options.empty || "no data yet"));
    drawn.setAttribute("aria-label", `${options.label}: no data yet`);
    place.replaceChildren(drawn);
    return;
  }
  const value = (point) => point.value / options.factor, error = (point) => (point.error || 0) / options.factor;
  let [first, last] = [good[0].time, good[good.length - 1].time];
  if (last - first < 1) [first, last] = [first - 0.5, last + 0.5];
  let low = Math.min(...good.map((p) => value(p) - (options.dots ? error(p) : 0)));
  let high = Math.max(...good.map((p) => value(p) + (options.dots ? error(p) : 0)));
  const margin = 0.08 * (high - low) || Math.abs(high) * 0.1 || 1;
  [low, high] = [low - margin, high + margin];
  const x = (time) => LEFT + ((time - first) / (last - first)) * (width - LEFT - RIGHT);
  const y = (v) => height - BOTTOM - ((v - low) / (high - low)) * (height - TOP - BOTTOM);

  for (const tick of ticks(low, high, Math.max(3, Math.floor(height / 34)))) {
    drawn.append(svg("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }),
      svg("text", { x: LEFT - 7, y: y(tick) + 4, "text-anchor": "end" }, String(Number(tick.toPrecision(6)))));
  }
  for (const tick of timeTicks(first, last, Math.max(2, Math.floor(width / 130)))) {
    drawn.append(svg("text", { x: x(tick), y: height - 6, "text-anchor": "middle" }, clock(tick)));
  }
  drawn.append(svg("text", { x: 2, y: 9 }, options.unit), svg("text", { x: 2, y: height - 6 }, "UTC"));
  const now = good.find((point) => point.slice === options.current);
  if (now) drawn.append(svg("line", { class: "cursor", x1: x(now.time), x2: x(now.time), y1: TOP, y2: height - BOTTOM }));
  if (options.dots) {
    const bars = good.map((p) => `M${x(p.time).toFixed(1)} ${y(value(p) - error(p)).toFixed(1)}V${y(value(p) + error(p)).toFixed(1)}`);
    drawn.append(svg("path", { class: "err", d: bars.join("") }));
    const radius = good.length > 300 ? 1.6 : 2.6;
    for (const p of good) {
      drawn.append(svg("circle", { class: p.doubt ? "dot doubt" : "dot", cx: x(p.time).toFixed(1), cy: y(value(p)).toFixed(1),
        r: radius, "data-slice": p.slice }));
    }
  } else {
    const line = good.map((p, k) => `${k ? "L" : "M"}${x(p.time).toFixed(1)} ${y(value(p)).toFixed(1)}`);
    drawn.append(svg("path", { class: "line", d: line.join("") }));
    if (good.length === 1) drawn.append(svg("circle", { class: "dot", cx: x(good[0].time), cy: y(value(good[0])), r: 3 }));
  }
  drawn.setAttribute("aria-label",
    `${options.label}: ${good.length} values from ${clock(first)} to ${clock(last)} UTC, between ` +
    `${Number((low + margin).toPrecision(3))} and ${Number((high - margin).toPrecision(3))} ${options.unit}`);
  hover(drawn, good, x, y, value, options, width);
  place.replaceChildren(drawn);
}

function hover(drawn, good, x, y, value, options, width) {
  const text = svg("text", { class: "hover", y: 11 }), dot = svg("circle", { class: "dot", r: 4 });
  const nearest = (event) => {
    const box = drawn.getBoundingClientRect(), at = ((event.clientX - box.left) / box.width) * width;
    return good.reduce((best, point) => (Math.abs(x(point.time) - at) < Math.abs(x(best.time) - at) ? point : best));
  };
  drawn.addEventListener("pointermove", (event) => {
    const point = nearest(event), right = x(point.time) > width / 2;
    text.textContent = `${clock(point.time)}  ${Number(value(point).toPrecision(4))} ${options.unit}`;
    text.setAttribute("x", right ? width - RIGHT : LEFT + 40);
    text.setAttribute("text-anchor", right ? "end" : "start");
    dot.setAttribute("cx", x(point.time));
    dot.setAttribute("cy", y(value(point)));
    drawn.append(text, dot);
  });
  drawn.addEventListener("pointerleave", () => { text.remove(); dot.remove(); });
  if (options.pick) {
    drawn.addEventListener("click", (event) => options.pick(nearest(event).slice));
    drawn.setAttribute("cursor", "pointer");
  }
}
