// What a search for transients has found in the run that is shown: one line, and a strip of events. A click on one shows it
// in the sky.

import { text, view } from "./api.js";
import { $, h, keyed, setAttribute, setText, svg } from "./dom.js";
import { Vetting } from "./vetting.js";
import { autoRange, drawFrame } from "./viewer.js";

const OFTEN = 2000; // ms between two looks for events
const FRAMES = 5, FRAME = 46, GAP = 2; // of a film: how many, and their sides and what is between them on the screen
const HALF = 12; // stored pixels from the middle of a frame to its edge
const CURVE = { width: 240, height: 46, margin: 4 };

export class Transients {
  /** `change` asks the monitor for a change at a path. */
  constructor(sky, change) {
    this.sky = sky;
    const look = () => { this.askedAt = -Infinity; };
    this.vetting = new Vetting(change, (id) => `/api/runs/${encodeURIComponent(this.run)}/transients/${encodeURIComponent(id)}`, look);
    this.forget("");
    this.late = new Map(); // canvas -> its event, of films that are yet to be drawn
    this.seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) if (isIntersecting) this.queue(target);
    });
  }

  forget(run) {
    Object.assign(this, { run, body: "", askedAt: -Infinity, events: [] });
    this.sky.mark([]);
    this.late?.clear();
    this.vetting.forget();
    $("transients").hidden = true;
    $("events").replaceChildren();
  }

  /** Looks what there is, now and then. */
  async refresh() {
    const { run } = this.sky;
    if (run !== this.run) this.forget(run);
    if (!run || performance.now() - this.askedAt < OFTEN) return;
    this.askedAt = performance.now();
    const body = await text(`/api/runs/${encodeURIComponent(run)}/transients`);
    if (run !== this.run || body === this.body) return;
    this.body = body;
    this.draw(JSON.parse(body));
  }

  draw({ searched, line, facts, alerts, events, more, words }) {
    this.events = events;
    this.sky.mark(events);
    $("transients").hidden = false;
    setText($("transients-line"), line);
    setText($("transients-alerts"), alerts ? `alerts: ${alerts.line}` : "");
    setAttribute($("transients-alerts"), "data-level", alerts?.level ?? "");
    setText($("transients-facts"), facts.map(([name, items]) => `${name}: ${items.join(", ")}`).join(" · "));
    keyed($("events"), events, (each) => each.id, (each) => this.card(each),
      (card, each) => { this.fill(card.firstElementChild, each, words); this.vetting.fill(card.lastElementChild, each); });
    $("user-label").hidden = !events.length;
    setText($("events-more"), !searched ? "" : more ? `and ${more} more: fip events lists all` : events.length ? "" : "No event so far.");
  }

  /** A button, so that keys do what a click does. */
  card(event) {
    return h("li", {}, h("button", { type: "button", class: "event", onclick: () => this.visit(event.id) },
      h("canvas", { class: "film", width: FRAMES * (FRAME + GAP), height: FRAME + 4, role: "img" }),
      h("span", { class: "light", hidden: "" }), h("span", { class: "what" }), h("span", { class: "note" }),
      h("span", { class: "note", "data-there": "" }), h("span", { class: "note", "data-there": "" }),
      h("span", { class: "labels" })), this.vetting.row(event));
  }

  /** Shows an event in the sky; if its images have expired, says so. */
  visit(id) {
    this.sky.visit(this.events.find((each) => each.id === id)).catch((error) => setText($("events-more"), error.message));
  }

  fill(button, event, words) {
    const [film, light, what, when, there, told, labels] = button.children, begin = event.begin.replace("T", " ");
    const slices = event.last - event.first + 1, drawn = JSON.stringify({ ...event, verdict: null, before: [] });
    if (button.dataset.drawn === drawn) return;
    button.dataset.drawn = drawn;
    setAttribute(button, "data-labelled", event.labels.length > 0);
    setAttribute(film, "aria-label", `Cut-outs of slices ${event.first} to ${event.last}, and of those beside them`);
    what.replaceChildren(h("b", {}, `S/N ${event.snr === null ? "–" : event.snr.toFixed(1)}`),
      [event.kind === "transient" ? "" : event.kind, `${slices} slice${slices === 1 ? "" : "s"}`,
        event.stokes === "I" ? "" : `Stokes ${event.stokes}`, event.field].filter(Boolean).join(" · "));
    setText(when, `${begin.slice(0, 19)} UTC`);
    setText(there, event.matches.map(inWords).join(" · "));
    setText(told, event.told.join(" · "));
    labels.replaceChildren(...event.labels.map((label) => h("span", { class: "label-of" }, h("b", {}, label), ` ${words[label] ?? ""}`)));
    this.late.set(film, event);
    this.seen.unobserve(film);
    this.seen.observe(film);
    const written = event.files["light.ecsv"];
    if (written) this.curve(light, event, written).catch(() => {});
  }

  /** Films are drawn one after the other, those that are seen. */
  queue(canvas) {
    const event = this.late.get(canvas);
    if (!event) return;
    this.late.delete(canvas);
    this.work = (this.work ?? Promise.resolve()).then(() => this.film(canvas, event)).catch(() => {});
  }

  /** Slices of the event's field: one before, those in which it was on (or some of them, evenly), one after. */
  frames({ first, last, field }) {
    const known = this.sky.images.filter((each) => each.label === field).sort((a, b) => a.average - b.average);
    const on = known.filter(({ slice }) => slice >= first && slice <= last), most = FRAMES - 2;
    const some = on.length <= most ? on : Array.from({ length: most }, (_, k) => on[Math.round((k * (on.length - 1)) / (most - 1))]);
    const before = known.filter(({ slice }) => slice < first).slice(some.length - most - 1);
    const after = known.filter(({ slice }) => slice > last);
    return [...before, ...some, ...after.slice(0, FRAMES - before.length - some.length)];
  }

  async film(canvas, event) {
    const run = this.run, left = Math.round(event.x) - HALF, bottom = Math.round(event.y) - HALF;
    const window = { x: Math.max(0, left), y: Math.max(0, bottom) };
    window.width = Math.max(1, 2 * HALF + 1 + Math.min(0, left));
    window.height = Math.max(1, 2 * HALF + 1 + Math.min(0, bottom));
    const frames = [];
    for (const each of this.frames(event)) {
      const place = `/api/runs/${encodeURIComponent(run)}/images/${each.slice}`;
      const image = await view(place, { window, most: 2 * HALF + 1, of: each.of, plane: this.sky.planeOf(event.stokes) }).catch(() => null);
      if (image) frames.push({ image, on: each.slice >= event.first && each.slice <= event.last });
    }
    if (run === this.run && frames.some(({ on }) => on)) this.drawFilm(canvas, frames, { left, bottom, side: 2 * HALF + 1 });
    else if (event.files["event.png"]) await this.picture(canvas, event);
  }

  drawFilm(canvas, frames, area) {
    const brush = canvas.getContext("2d"), look = this.sky.lookNow();
    const brightest = Math.max(...frames.filter(({ on }) => on).flatMap(({ image }) => [...image.values].filter(isFinite)));
    look.range = autoRange(this.sky.images.map(({ rms }) => ({ rms, maximum: brightest })));
    canvas.width = frames.length * (FRAME + GAP);
    frames.forEach(({ image, on }, k) => {
      drawFrame(brush, image, look, { ...area, at: k * (FRAME + GAP), across: FRAME });
      brush.fillStyle = "#ffb03b";
      if (on) brush.fillRect(k * (FRAME + GAP), FRAME + 1, FRAME, 3);
    });
  }

  /** Images that have expired are no film any more; the picture of the event is kept. */
  async picture(canvas, event) {
    const picture = new Image();
    picture.src = `/api/runs/${encodeURIComponent(this.run)}/transients/${event.id}/event.png?of=${event.files["event.png"]}`;
    await picture.decode();
    canvas.height = Math.round((canvas.width * picture.height) / picture.width);
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  }

  /** The light curve of the event's file. */
  async curve(place, event, written) {
    const body = await text(`/api/runs/${encodeURIComponent(this.run)}/transients/${event.id}/light.ecsv?of=${written}`);
    const points = rowsOf(body).map((row) => ({ time: Number(row.mjd), value: Number(row[`flux_${event.stokes}`]),
      error: Number(row[`error_${event.stokes}`]) || 0, on: row.on === "True" }))
      .filter(({ time, value }) => isFinite(time) && isFinite(value));
    place.hidden = points.length < 2;
    if (points.length >= 2) place.replaceChildren(sparkline(points, event));
  }
}

/** What is known to be there, as "J0437-4715 (pulsars), 1.2″". */
const inWords = ({ name, of, separation }) => `${name} (${of}), ${Number(separation.toPrecision(2))}″`;

/** The rows of an ECSV table, by name. */
function rowsOf(body) {
  const cells = (line) => [...line.matchAll(/"((?:[^"]|"")*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
  const [names, ...rows] = body.split("\n").filter((line) => line && !line.startsWith("#")).map(cells);
  return rows.map((row) => Object.fromEntries(names.map((name, k) => [name, row[k]])));
}

function sparkline(points, event) {
  const { width, height, margin } = CURVE, times = points.map(({ time }) => time);
  const low = Math.min(0, ...points.map(({ value, error }) => value - error));
  const high = Math.max(0, ...points.map(({ value, error }) => value + error));
  const first = Math.min(...times), span = Math.max(...times) - first || 1;
  const x = (time) => (margin + ((time - first) / span) * (width - 2 * margin)).toFixed(1);
  const y = (value) => (height - margin - ((value - low) / (high - low || 1)) * (height - 2 * margin)).toFixed(1);
  const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "plot-of",
    "aria-label": `Light curve of ${event.id}: ${points.length} values` });
  const bars = points.map(({ time, value, error }) => `M${x(time)} ${y(value - error)}V${y(value + error)}`);
  const r = points.length > 80 ? 1.2 : 2;
  drawn.append(svg("line", { class: "axis", x1: 0, x2: width, y1: y(0), y2: y(0) }), svg("path", { class: "err", d: bars.join("") }),
    ...points.map(({ time, value, on }) => svg("circle", { class: on ? "dot on" : "dot", cx: x(time), cy: y(value), r })));
  return drawn;
}
