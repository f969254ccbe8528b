// The sky: the newest image or another one, what it is, the strip of the last, and curves against time.

import { Refused, json, view } from "./api.js";
import { plot } from "./charts.js";
import { $, h, keyed, setText } from "./dom.js";
import { clock, date, degrees, flux, fluxUnit, hours, share, unix } from "./format.js";
import { Viewer, autoRange, thumbnail } from "./viewer.js";
import { directionAt } from "./wcs.js";

const KEPT = 2000; // images in the plots
const STRIP = 14;
const THUMBNAIL = 76; // pixels at most, of an image shrunk for the strip
const OFTEN = 700; // ms between two images that are fetched to follow
const CLOSE = 3; // times larger than the whole image an event is shown
const COARSEST = 256, FINEST = 1024; // pixels a side of a view

/** What the header says of gains, flags and the sky model: the noise to expect, how well the model fits, what was flagged. */
function corrected(header, rms) {
  const card = new Map(header.map(([keyword, value]) => [keyword, value])), value = (keyword) => Number(card.get(keyword));
  const words = [];
  if (card.has("FIPNOISE")) {
    const ratio = rms === null ? "" : `, found ${(rms / value("FIPNOISE")).toFixed(2)} ×`;
    words.push(`noise expected ${flux(value("FIPNOISE"))}${ratio}`);
  }
  if (card.has("FIPMAMP")) words.push(`data / model ${value("FIPMAMP").toFixed(3)} at ${value("FIPMPHA").toFixed(1)}°`);
  if (card.has("FIPMOFF")) words.push(`sources off by ${value("FIPMOFF").toFixed(2)} beams`);
  for (const [keyword, by] of [["FIPFLGGN", "gains"], ["FIPFLGFL", "known bands"], ["FIPFLGAU", "auto"]]) {
    if (card.has(keyword)) words.push(`${(100 * value(keyword)).toFixed(2)} % flagged by ${by}`);
  }
  return words.join(" · ");
}

/** What is said of what is not the image as it is stored. */
const KINDS = { image: "", difference: "difference: less the mean of the 8 images before it", "S/N": "S/N: over the noise of this image" };

export class Sky {
  constructor() {
    this.events = []; // of the run, marked in the image
    this.viewer = new Viewer($("image"), {
      cursor: (...at) => this.cursor(...at), pick: (x, y) => this.pick(x, y), moved: () => this.refine().catch(() => {}),
    });
    this.viewer.decorate = (brush, viewer) => this.decorate(brush, viewer);
    this.forget("");
    this.thumbnails = new Map(); // slice -> pixels
    this.range = autoRange([]);
    this.automatic = true;
    this.controls();
  }

  /** Nothing is known of a run. */
  forget(run) {
    Object.assign(this, { run, seen: 0, images: [], shown: null, source: null, about: null, asked: null, curve: null, place: null, fetchedAt: 0 });
    this.thumbnails?.clear();
    this.viewer.mark = null;
  }

  async start() {
    this.maps = await json("/api/colours");
    $("colours").replaceChildren(...Object.keys(this.maps).map((name) => h("option", {}, name)));
    $("colours").value = localStorage.getItem("fip-colours") || Object.keys(this.maps)[0];
    $("stretch").value = localStorage.getItem("fip-stretch") || "asinh";
    this.relook();
  }

  /** Looks which runs there are, and shows the newest unless another one was chosen. */
  async refreshRuns() {
    const runs = await json("/api/runs"), select = $("run");
    const newest = runs.length ? runs[runs.length - 1].run : "";
    const following = !this.run || !runs.some((each) => each.run === this.run) || select.value === this.newest;
    keyed(select, [...runs].reverse(), (each) => each.run, (each) => h("option", { value: each.run }),
      (option, each) => setText(option, each.name));
    this.newest = newest;
    const wanted = following ? newest : this.run;
    if (select.value !== wanted) select.value = wanted;
    if (wanted !== this.run) this.forget(wanted);
  }

  /** Looks for new images; one such look is under way at a time. */
  async refresh() {
    if (this.busy) return;
    this.busy = true;
    try {
      await this.refreshRuns();
      if (this.run) await this.look();
    } finally {
      this.busy = false;
    }
  }

  async look() {
    const run = this.run, found = await json(`/api/runs/${encodeURIComponent(run)}/images?after=${this.seen}`);
    if (run !== this.run) return;
    this.seen = found.seen;
    if (found.images.length) {
      this.images = [...this.images, ...found.images].slice(-KEPT);
      if (this.automatic) this.range = this.fitting();
      this.relook();
    }
    const newest = this.images[this.images.length - 1];
    const due = performance.now() - this.fetchedAt > OFTEN;
    if (newest && $("follow").checked && due && newest.slice !== this.shown) await this.show(newest.slice);
    if (found.images.length) this.drawSeries();
    if (found.images.length || this.stripLate) await this.drawStrip();
    if (this.place && found.images.length && due) await this.lightCurve();
  }

  async show(slice) {
    const run = this.run, place = `/api/runs/${encodeURIComponent(run)}/images/${slice}`;
    this.fetchedAt = performance.now();
    const plane = Number($("plane").value || 0);
    const of = this.images.find((each) => each.slice === slice)?.of, source = { place, plane, of, kind: $("kind").value };
    const wanted = this.asked = { ...source, slice, most: this.most() };
    const [about, [image, said]] = await Promise.all([json(place), this.viewOf(wanted)]);
    if (run !== this.run || wanted !== this.asked) return;
    this.shown = slice;
    this.source = { ...source, kind: said ? "image" : source.kind };
    $("kind-said").hidden = !(said || KINDS[source.kind]);
    setText($("kind-said"), said || KINDS[source.kind]);
    this.about = about;
    $("blank").hidden = true;
    this.planes(about.stokes);
    this.viewer.show(image, about.grid);
    this.describe();
    $("fits").hidden = false;
    $("fits").href = `${place}/fits`;
    for (const canvas of $("strip").children) canvas.setAttribute("aria-selected", canvas.dataset.key === String(slice));
    this.drawSeries();
    this.drawCurve();
  }

  /** A view; of what cannot be shown otherwise that of the image, and why. */
  async viewOf(wanted) {
    if (wanted.kind !== "difference") return [await view(wanted.place, wanted), ""];
    return view(wanted.place, wanted).then((image) => [image, ""], async (error) => {
      if (error instanceof Refused) throw error;
      return [await view(wanted.place, { ...wanted, kind: "image" }), `the image itself: ${error.message}`];
    });
  }

  /** The range that suits what is shown. */
  fitting() {
    const faint = { image: this.images, difference: this.images.map(({ rms }) => ({ rms, maximum: 0 })), "S/N": [{ rms: 1, maximum: 0 }] };
    return autoRange(faint[$("kind").value]);
  }

  /** How many pixels a side to ask for: as many as the screen shows. */
  most() {
    return Math.max(COARSEST, Math.min(FINEST, COARSEST * Math.ceil(this.viewer.side / COARSEST)));
  }

  /** Fetches what is seen as finely as it is seen. */
  async refine() {
    const { source } = this, window = source && this.viewer.lacks(this.most());
    if (!window) return;
    const part = await view(source.place, { ...source, window, most: this.most() });
    if (source === this.source) this.viewer.refine(part);
  }

  planes(stokes) {
    $("plane-label").hidden = stokes.length < 2;
    if ($("plane").children.length !== stokes.length) {
      $("plane").replaceChildren(...stokes.map((name, k) => h("option", { value: k }, name)));
    }
  }

  describe() {
    const about = this.about, time = unix(about.average), quality = about.quality === "good" ? "" : ` · ${about.quality}`;
    const lacks = about.complete === null || about.complete === 1 ? "" : ` · ${share(about.complete)} of the samples there`;
    setText($("image-name"), `${about.file} · ${date(time)} ${clock(time, 3)} UTC · rms ${about.rms === null ? "–" : flux(about.rms)}` +
      ` · peak ${about.maximum === null ? "–" : flux(about.maximum)}${lacks}${quality}`);
    const said = corrected(about.header, about.rms);
    $("corrected").hidden = !said;
    setText($("corrected"), said);
    $("image").setAttribute("aria-label", `Image ${about.file}, ${clock(time)} UTC, peak ${about.maximum === null ? "none" : flux(about.maximum)}`);
  }

  cursor(x, y, found) {
    if (x === null || !this.about || found === undefined) return setText($("cursor"), "\u00a0");
    const there = directionAt(this.about.grid, x, y), galactic = this.about.grid.frame === "GALACTIC";
    const words = there ? `${galactic ? degrees(there[0]) : hours(there[0])} ${degrees(there[1])} ${this.about.grid.frame}` : "beyond the horizon";
    const block = found.block > 1 ? `maximum of ${found.block} × ${found.block} pixels: ` : "";
    const value = Number.isNaN(found.value) ? "no data" : this.told(found.value) + (found.step ? ` ± ${this.told(found.step / 2)}` : "");
    return setText($("cursor"), `${words}  ·  pixel ${x}, ${y}  ·  ${block}${value}`);
  }

  /** A value of what is shown, with its unit. */
  told(value) {
    return this.source.kind === "S/N" ? `${Number(value.toPrecision(3))} σ` : flux(value);
  }

  /** Marks events in the image. */
  mark(events) {
    this.events = events;
    this.viewer.draw();
  }

  planeOf(stokes) {
    return Math.max(0, (this.about?.stokes ?? []).indexOf(stokes));
  }

  /** Shows an event: the middle one of its slices, its place from near, and the light curve there. */
  async visit({ first, last, field, x, y, stokes }) {
    const there = this.images.filter((each) => each.label === field && each.slice >= first && each.slice <= last);
    $("follow").checked = false;
    if (this.about) $("plane").value = this.planeOf(stokes);
    await this.show(there.length ? there[Math.floor(there.length / 2)].slice : first);
    $("sky").scrollIntoView({ block: "start" });
    $("image").focus({ preventScroll: true });
    await this.lookAt(x, y);
  }

  /** Has a pixel in the middle, from near, and its light curve. */
  async lookAt(x, y) {
    this.place = this.viewer.mark = [Math.round(x), Math.round(y)];
    this.viewer.lookAt(x, y, CLOSE);
    await this.lightCurve();
  }

  /** Takes the light curve of a pixel; of a block, that of the pixel which it shows: the brightest. */
  async pick(x, y) {
    this.place = await this.brightest(this.viewer.value(x, y)) || [x, y];
    this.viewer.mark = this.place;
    this.viewer.draw();
    await this.lightCurve();
  }

  async brightest({ x, y, block }) {
    if (block === 1) return null;
    const part = await view(this.source.place, { ...this.source, window: { x, y, width: block, height: block }, most: block });
    const values = [...part.values].map((each) => Number.isNaN(each) ? -Infinity : each), at = values.indexOf(Math.max(...values));
    return [x + at % part.width, y + Math.floor(at / part.width)];
  }

  async lightCurve() {
    const [x, y] = this.place, plane = Number($("plane").value || 0), wanted = `${this.run} ${x} ${y} ${plane}`;
    this.wanted = wanted;
    const curve = await json(`/api/runs/${encodeURIComponent(this.run)}/lightcurve?x=${x}&y=${y}&like=${this.shown}&plane=${plane}`);
    if (this.wanted !== wanted) return;
    this.curve = curve;
    this.drawCurve();
  }

  drawCurve() {
    const options = { dots: true, label: "Light curve", empty: "click on a pixel of the image", current: this.shown,
      factor: 1, unit: "", pick: (slice) => this.choose(slice) };
    if (!this.curve) return plot($("curve"), [], options);
    const points = this.curve.points.map((each) => ({ time: unix(each.average), value: each.flux, error: each.error,
      slice: each.slice, doubt: each.quality !== "good" }));
    [options.unit, options.factor] = fluxUnit(Math.max(...points.map((each) => Math.abs(each.value || 0))));
    const there = directionAt(this.about.grid, this.curve.x, this.curve.y);
    const galactic = this.about.grid.frame === "GALACTIC";
    setText($("curve-what"), (there ? `${galactic ? degrees(there[0]) : hours(there[0])} ${degrees(there[1])}` : "") +
      ` · pixel ${this.curve.x}, ${this.curve.y}` + (this.curve.every > 1 ? ` · every ${this.curve.every}th image` : ""));
    return plot($("curve"), points, options);
  }

  drawSeries() {
    const label = this.about?.label, pick = (slice) => this.choose(slice);
    const sorted = this.images.filter((each) => label === undefined || each.label === label).sort((a, b) => a.average - b.average);
    for (const [place, key, label] of [["noise", "rms", "Noise"], ["peak", "maximum", "Peak"]]) {
      const [unit, factor] = fluxUnit(Math.max(0, ...sorted.map((each) => each[key] || 0)));
      plot($(place), sorted.map((each) => ({ time: unix(each.average), value: each[key], slice: each.slice })),
        { unit, factor, label, pick, current: this.shown });
    }
  }

  async drawStrip() {
    const last = this.images.slice(-STRIP), kept = new Set(last.map((each) => each.slice));
    for (const slice of this.thumbnails.keys()) if (!kept.has(slice)) this.thumbnails.delete(slice);
    keyed($("strip"), last, (each) => each.slice, (each) => h("canvas", {
      role: "option", tabindex: "0", "aria-label": `Image ${each.file}, ${clock(unix(each.average))} UTC`,
      "aria-selected": each.slice === this.shown, title: `${each.file}\n${clock(unix(each.average))} UTC\n${each.quality}`,
      onclick: () => this.choose(each.slice),
      onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); this.choose(each.slice); } },
    }), () => {});
    const run = this.run, missing = last.filter((each) => !this.thumbnails.has(each.slice)).slice(-4);
    this.stripLate = last.some((each) => !this.thumbnails.has(each.slice));
    for (const each of missing) {
      const image = await view(`/api/runs/${encodeURIComponent(run)}/images/${each.slice}`, { of: each.of, most: THUMBNAIL });
      if (run !== this.run) return;
      this.thumbnails.set(each.slice, image);
    }
    this.drawThumbnails();
    if (!$("strip").matches(":focus-within, :hover")) $("strip").scrollLeft = $("strip").scrollWidth;
  }

  drawThumbnails() {
    const look = this.lookNow();
    if ($("kind").value !== "image") look.range = autoRange(this.images);
    for (const canvas of $("strip").children) {
      const image = this.thumbnails.get(Number(canvas.dataset.key));
      if (image) thumbnail(canvas, image, look);
    }
  }

  /** An image that somebody chose: no longer is the newest followed. */
  choose(slice) {
    $("follow").checked = slice === this.images[this.images.length - 1]?.slice && $("follow").checked;
    return this.show(slice);
  }

  /** The slice that was asked for last: it may still be on its way. */
  get wantedSlice() { return this.asked ? this.asked.slice : this.shown; }

  step(by) {
    const sorted = [...this.images].sort((a, b) => a.average - b.average);
    const next = sorted[sorted.findIndex((each) => each.slice === this.wantedSlice) + by];
    if (next) { $("follow").checked = false; this.show(next.slice); }
  }

  newestImage() {
    const newest = this.images[this.images.length - 1];
    $("follow").checked = true;
    if (newest) this.show(newest.slice);
  }

  lookNow() {
    return { range: this.range, stretch: $("stretch").value, colours: this.maps[$("colours").value] };
  }

  relook() {
    if (!this.maps) return;
    const [unit, factor] = $("kind").value === "S/N" ? ["σ", 1] : fluxUnit(Math.abs(this.range.high));
    this.unitFactor = factor;
    setText($("unit"), unit);
    if (document.activeElement !== $("low")) $("low").value = Number((this.range.low / factor).toPrecision(3));
    if (document.activeElement !== $("high")) $("high").value = Number((this.range.high / factor).toPrecision(3));
    $("auto").setAttribute("aria-pressed", this.automatic);
    this.viewer.setLook(this.lookNow());
    this.drawThumbnails();
  }

  controls() {
    $("stretch").onchange = () => { localStorage.setItem("fip-stretch", $("stretch").value); this.relook(); };
    $("colours").onchange = () => { localStorage.setItem("fip-colours", $("colours").value); this.relook(); };
    $("auto").onclick = () => { this.automatic = true; this.range = this.fitting(); this.relook(); };
    $("kind").onchange = () => { $("auto").onclick(); if (this.wantedSlice !== null) this.show(this.wantedSlice); };
    for (const end of ["low", "high"]) {
      $(end).onchange = () => {
        const value = Number($(end).value) * this.unitFactor;
        if (!isFinite(value)) return;
        this.automatic = false;
        this.range = { ...this.range, [end]: value };
        this.relook();
      };
    }
    $("plane").onchange = () => { this.show(this.wantedSlice); if (this.place) this.lightCurve(); };
    $("run").onchange = () => { this.forget($("run").value); this.refresh(); };
    $("follow").onchange = () => $("follow").checked && this.newestImage();
    $("zoom-in").onclick = () => this.viewer.zoomBy(1.5);
    $("zoom-out").onclick = () => this.viewer.zoomBy(1 / 1.5);
    $("zoom-fit").onclick = () => this.viewer.fit();
    document.addEventListener("keydown", (event) => {
      if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "[") this.step(-1);
      else if (event.key === "]") this.step(1);
      else if (event.key === "l" || event.key === "L") this.newestImage();
    });
    new ResizeObserver(() => { this.drawSeries(); this.drawCurve(); }).observe($("noise"));
  }

  /** Events, compass and beam. */
  decorate(brush, viewer) {
    for (const event of this.events) if (event.field === this.about?.label) this.drawMark(brush, viewer, event);
    const bottom = viewer.canvas.clientHeight - 14;
    brush.fillStyle = "#e8eaee";
    brush.strokeStyle = "#e8eaee";
    brush.font = "11px system-ui, sans-serif";
    brush.lineWidth = 1.2;
    brush.beginPath();
    brush.moveTo(38, bottom - 26);
    brush.lineTo(38, bottom);
    brush.lineTo(12, bottom);
    brush.stroke();
    brush.textAlign = "center";
    brush.fillText("N", 38, bottom - 31);
    brush.fillText("E", 6, bottom + 4);
    const beam = this.about?.beam;
    if (!beam) return;
    const size = (axis) => Math.max(1.5, (beam[axis] / this.about.grid.scale) * viewer.zoom / 2);
    if (size("major") > viewer.canvas.clientHeight / 6) return;
    brush.beginPath();
    brush.ellipse(66 + size("major"), bottom - size("major"), size("major"), size("minor"), -Math.PI / 2 - beam.angle, 0, 7);
    brush.stroke();
  }

  /** A ring around an event, strong in its slices; dimmer and broken if something speaks against it. */
  drawMark(brush, viewer, { x, y, first, last, labels, snr }) {
    const [left, top] = viewer.placeOf([x, y]), on = this.shown >= first && this.shown <= last;
    brush.save();
    brush.strokeStyle = brush.fillStyle = "#6fe0d2";
    brush.globalAlpha = (labels.length ? 0.5 : 1) * (on ? 1 : 0.6);
    brush.lineWidth = on && !labels.length ? 2.2 : 1.2;
    brush.setLineDash(labels.length ? [3, 3] : []);
    brush.beginPath();
    brush.arc(left, top, 14, 0, 7);
    brush.stroke();
    if (on && !labels.length) {
      brush.font = "600 12px system-ui, sans-serif";
      brush.lineWidth = 3;
      brush.strokeStyle = "#0d0f14";
      brush.strokeText(`S/N ${snr.toFixed(1)}`, left + 17, top - 9);
      brush.fillText(`S/N ${snr.toFixed(1)}`, left + 17, top - 9);
    }
    brush.restore();
  }
}
