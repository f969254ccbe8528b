// One image on a canvas: pan, zoom, stretch and colours. Only what is seen is drawn, from a pyramid of maxima, so that a
// point source never falls between two pixels of the screen. Places are in stored pixels; what is drawn are layers, the
// whole image and above it a finer part, each of blocks of stored pixels.

const LOWEST = -3, HIGHEST = 15, OUTSTANDING = 300, LINEAR = 4; // times the noise, as lib/fip/archive/render.py has it
const EMPTY = 0xff403a38; // colour of NaN, ABGR
const MOST_ZOOM = 64; // screen pixels to one of the image
const AROUND = 1.25; // times what is seen is asked for, so that a small move needs nothing
const SMALL = 76; // pixels a side of a small canvas
const RESTING = 150; // ms without a move, after which what is seen is asked for

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** The range that shows noise and does not saturate the brightest source, of a series of {rms, maximum}. */
export function autoRange(series) {
  const known = series.filter((each) => each.rms !== null);
  if (!known.length) return { low: -3e-3, high: 15e-3, softening: 4e-3 };
  const peaks = known.map((each) => each.maximum);
  const peak = Math.min(peaks.reduce((a, b) => Math.max(a, b)), OUTSTANDING * Math.max(median(peaks), 0));
  const noise = median(known.map((each) => each.rms)) || peak / 1000 || 1e-3;
  return { low: LOWEST * noise, high: Math.max(peak, HIGHEST * noise), softening: LINEAR * noise };
}

/** A table of 65536 places from low to high to a share of 0..1. */
const STRETCHES = {
  linear: (v, range) => (v - range.low) / (range.high - range.low),
  sqrt: (v, range) => Math.sqrt(Math.max(0, (v - range.low) / (range.high - range.low))),
  log: (v, range) => Math.log10(1 + 999 * Math.max(0, (v - range.low) / (range.high - range.low))) / 3,
  asinh: (v, range) => {
    const bottom = Math.asinh(range.low / range.softening), top = Math.asinh(range.high / range.softening);
    return (Math.asinh(v / range.softening) - bottom) / (top - bottom);
  },
};

/** 256 colours, ABGR, from a colour map's hexadecimal RRGGBB. */
function palette(hex) {
  return Uint32Array.from({ length: 256 }, (_, k) => {
    const rgb = parseInt(hex.slice(6 * k, 6 * k + 6), 16);
    return (0xff000000 | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
  });
}

function colourer(range, stretch, hex) {
  const colours = palette(hex), steps = 4096, span = range.high - range.low || 1e-30, bend = STRETCHES[stretch];
  const table = Uint32Array.from({ length: steps }, (_, k) => {
    const share = bend(range.low + (span * (k + 0.5)) / steps, range);
    return colours[Math.max(0, Math.min(255, Math.round(255 * share)))];
  });
  return (value) => value !== value ? EMPTY : table[Math.max(0, Math.min(steps - 1, ((value - range.low) / span * steps) | 0))];
}

/** A layer, and halves of it down to a few hundred pixels, each pixel the maximum of four. */
function pyramid(image) {
  const levels = [image];
  for (let from = image; Math.max(from.width, from.height) > 512;) {
    const width = from.width >> 1, height = from.height >> 1, values = new Float32Array(width * height);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        let best = NaN;
        for (const at of [2 * y * from.width + 2 * x, (2 * y + 1) * from.width + 2 * x]) {
          for (const v of [from.values[at], from.values[at + 1]]) if (!(v <= best)) best = v === v ? v : best;
        }
        values[y * width + x] = best;
      }
    }
    from = { values, width, height, left: image.left, bottom: image.bottom, block: 2 * from.block };
    levels.push(from);
  }
  return levels;
}

/** Draws an image whole on a small canvas. */
export function thumbnail(canvas, image, look) {
  canvas.width = canvas.height = SMALL;
  const side = Math.max(image.width, image.height);
  const [left, bottom] = [(image.width - side) / 2, (image.height - side) / 2].map((each) => each * image.block);
  const area = { left: image.left + left, bottom: image.bottom + bottom, side: side * image.block, at: 0, across: SMALL };
  drawFrame(canvas.getContext("2d"), image, look, area);
}

/** Draws a square of an image, of `side` stored pixels from `left` and `bottom`, `across` pixels wide at `at`; what is not
 * of the image stays as the canvas is. */
export function drawFrame(brush, image, look, { left, bottom, side, at, across }) {
  const colour = colourer(look.range, look.stretch, look.colours), drawn = brush.createImageData(across, across);
  const out = new Uint32Array(drawn.data.buffer), step = side / across / image.block;
  for (let y = 0; y < across; y++) {
    for (let x = 0; x < across; x++) {
      const column = Math.floor((left - image.left) / image.block + (x + 0.5) * step);
      const row = Math.floor((bottom - image.bottom) / image.block + (across - y - 0.5) * step);
      if (column >= 0 && row >= 0 && column < image.width && row < image.height) {
        out[y * across + x] = colour(image.values[row * image.width + column]);
      }
    }
  }
  brush.putImageData(drawn, at, 0);
}

export class Viewer {
  /** `told.cursor(x, y, found)` and `told.pick(x, y)` are called with stored pixels, counted from 0, and what is shown
   * there; `told.moved()` when another part is seen. */
  constructor(canvas, told) {
    this.canvas = canvas;
    this.told = told;
    this.layers = []; // pyramids: of the whole image, and of the part that is seen
    this.mark = null;
    this.look = null;
    this.crosshair = null; // pixel that the keyboard points at
    this.over = null; // place on the canvas that the pointer is at
    new ResizeObserver(() => { this.draw(); this.moved(); }).observe(canvas);
    this.listen();
  }

  /** Shows another image of so many stored pixels; the view stays if the grid does. */
  show(whole, { width, height }) {
    const same = this.image && this.image.width === width && this.image.height === height;
    this.image = { width, height };
    this.layers = [pyramid(whole)];
    if (!same) this.fit();
    else { this.draw(); this.moved(); }
  }

  /** Shows a part more finely. */
  refine(part) {
    this.layers = [this.layers[0], pyramid(part)];
    this.draw();
    if (this.over) this.tell(...this.at(...this.over));
    else if (this.crosshair) this.tell(...this.crosshair);
  }

  /** Pixels of the screen along its longer side. */
  get side() { return Math.max(this.canvas.clientWidth, this.canvas.clientHeight) * (window.devicePixelRatio || 1); }

  /** The part to be asked for to see it as finely as at most `most` shown pixels a side can; null if it is here. */
  lacks(most) {
    if (!this.image || !this.zoom) return null;
    const [wide, high] = [this.canvas.clientWidth, this.canvas.clientHeight].map((side) => side / this.zoom);
    const seen = this.part(wide, high), around = this.part(wide * AROUND, high * AROUND);
    const block = Math.max(1, Math.ceil(Math.max(around.width, around.height) / most));
    const here = this.layers.some(([layer]) => layer.block <= block && layer.left <= seen.x && layer.bottom <= seen.y &&
      (layer === this.layers[0][0] || (layer.left + layer.width * layer.block >= seen.x + seen.width &&
        layer.bottom + layer.height * layer.block >= seen.y + seen.height)));
    return here ? null : around;
  }

  part(wide, high) {
    const x = Math.max(0, Math.floor(this.x - wide / 2)), y = Math.max(0, Math.floor(this.y - high / 2));
    return { x, y, width: Math.max(1, Math.min(this.image.width, Math.ceil(this.x + wide / 2)) - x),
      height: Math.max(1, Math.min(this.image.height, Math.ceil(this.y + high / 2)) - y) };
  }

  moved() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.told.moved(), RESTING);
  }

  setLook(look) { this.look = look; this.draw(); }

  fit() {
    if (!this.image) return;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.zoom = Math.min(width / this.image.width, height / this.image.height);
    [this.x, this.y] = [this.image.width / 2, this.image.height / 2];
    this.draw();
    this.moved();
  }

  /** Has a stored pixel in the middle, at least so many times as large as when the whole image is seen. */
  lookAt(x, y, times) {
    if (!this.image) return;
    const whole = Math.min(this.canvas.clientWidth / this.image.width, this.canvas.clientHeight / this.image.height);
    this.zoom = Math.min(MOST_ZOOM, Math.max(this.zoom, times * whole));
    this.move(x + 0.5 - this.x, y + 0.5 - this.y);
  }

  /** Where on the canvas a stored pixel is. */
  placeOf([x, y]) {
    return [(x + 0.5 - this.x) * this.zoom + this.canvas.clientWidth / 2, (this.y - y - 0.5) * this.zoom + this.canvas.clientHeight / 2];
  }

  /** Pixel (continuous, from 0 at the middle of the first) at a place on the screen. */
  at(left, top) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return [this.x - 0.5 + (left - width / 2) / this.zoom, this.y - 0.5 - (top - height / 2) / this.zoom];
  }

  /** What is shown at a stored pixel: the value, and how many pixels and Jy/beam that is true to. */
  value(x, y) {
    for (const [{ values, width, height, left, bottom, block, step }] of [...this.layers].reverse()) {
      const column = Math.floor((x - left) / block), row = Math.floor((y - bottom) / block);
      if (column >= 0 && row >= 0 && column < width && row < height) {
        return { value: values[row * width + column], block, step, x: left + column * block, y: bottom + row * block };
      }
    }
    return undefined;
  }

  zoomBy(factor, left = this.canvas.clientWidth / 2, top = this.canvas.clientHeight / 2) {
    if (!this.image) return;
    const [x, y] = this.at(left, top), smallest = 0.5 * Math.min(this.canvas.clientWidth, this.canvas.clientHeight) /
      Math.max(this.image.width, this.image.height);
    this.zoom = Math.max(smallest, Math.min(MOST_ZOOM, this.zoom * factor));
    const [newX, newY] = this.at(left, top);
    this.move(x - newX, y - newY);
  }

  move(right, up) {
    if (!this.image) return;
    this.x = Math.max(0, Math.min(this.image.width, this.x + right));
    this.y = Math.max(0, Math.min(this.image.height, this.y + up));
    this.draw();
    this.moved();
  }

  draw() {
    if (!this.waiting) this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.paint(); });
  }

  paint() {
    if (!this.image || !this.look || !this.canvas.clientWidth) return;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * ratio), height = Math.round(this.canvas.clientHeight * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) [this.canvas.width, this.canvas.height] = [width, height];
    const brush = this.canvas.getContext("2d"), drawn = brush.createImageData(width, height);
    const out = new Uint32Array(drawn.data.buffer), colour = colourer(this.look.range, this.look.stretch, this.look.colours);
    for (const levels of this.layers) this.paintLayer(out, width, height, 1 / (this.zoom * ratio), levels, colour);
    brush.putImageData(drawn, 0, 0);
    brush.save();
    brush.scale(ratio, ratio);
    this.overlay(brush);
    brush.restore();
  }

  /** Draws a layer, from that of its levels of which a pixel is no larger than `step`, one of the screen. */
  paintLayer(out, width, height, step, levels, colour) {
    const number = Math.floor(Math.log2(step / levels[0].block) + 0.001);
    const level = levels[Math.max(0, Math.min(levels.length - 1, number))], { values, left, bottom, block } = level;
    for (let down = 0; down < height; down++) {
      const row = Math.floor((this.y - bottom - (down + 0.5 - height / 2) * step) / block);
      if (row < 0 || row >= level.height) continue;
      for (let right = 0; right < width; right++) {
        const column = Math.floor((this.x - left + (right + 0.5 - width / 2) * step) / block);
        if (column >= 0 && column < level.width) out[down * width + right] = colour(values[row * level.width + column]);
      }
    }
  }

  overlay(brush) {
    if (this.mark) {
      const [left, top] = this.placeOf(this.mark);
      brush.strokeStyle = "#ffb03b";
      brush.lineWidth = 1.5;
      brush.beginPath();
      brush.arc(left, top, 11, 0, 7);
      for (const [x, y] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        brush.moveTo(left + 11 * x, top + 11 * y);
        brush.lineTo(left + 18 * x, top + 18 * y);
      }
      brush.stroke();
    }
    if (this.crosshair) {
      const [left, top] = this.placeOf(this.crosshair);
      brush.strokeStyle = "#ffffffb0";
      brush.lineWidth = 1;
      brush.strokeRect(left - 5, top - 5, 10, 10);
    }
    this.decorate?.(brush, this);
  }

  listen() {
    const canvas = this.canvas;
    let from = null, moved = false;
    canvas.addEventListener("pointerdown", (event) => {
      from = [event.clientX, event.clientY];
      moved = false;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (from) {
        const [right, down] = [event.clientX - from[0], event.clientY - from[1]];
        if (moved || Math.hypot(right, down) > 4) {
          moved = true;
          this.move(-right / this.zoom, down / this.zoom);
          from = [event.clientX, event.clientY];
        }
      }
      this.over = [event.offsetX, event.offsetY];
      if (this.image) this.tell(...this.at(...this.over));
    });
    canvas.addEventListener("pointerup", (event) => {
      if (from && !moved && this.image) this.pick(...this.at(event.offsetX, event.offsetY).map(Math.round));
      from = null;
    });
    canvas.addEventListener("pointerleave", () => { this.over = null; this.told.cursor(null); });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("blur", () => { this.crosshair = null; this.draw(); });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  tell(x, y) {
    const [column, row] = [Math.round(x), Math.round(y)];
    this.told.cursor(column, row, this.value(column, row));
  }

  pick(x, y) {
    if (this.value(x, y) !== undefined) this.told.pick(x, y);
  }

  key(event) {
    if (!this.image || event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (arrows[event.key]) {
      const step = event.shiftKey ? 1 : Math.max(1, Math.round(24 / this.zoom)), [right, up] = arrows[event.key];
      const now = this.crosshair || [Math.round(this.x), Math.round(this.y)];
      this.crosshair = [Math.max(0, Math.min(this.image.width - 1, now[0] + right * step)),
        Math.max(0, Math.min(this.image.height - 1, now[1] + up * step))];
      const reach = [this.canvas.clientWidth, this.canvas.clientHeight].map((side) => (0.45 * side) / this.zoom);
      this.move(...[0, 1].map((k) => {
        const off = this.crosshair[k] - [this.x, this.y][k];
        return Math.abs(off) > reach[k] ? off - Math.sign(off) * reach[k] : 0;
      }));
      this.tell(...this.crosshair);
    } else if (event.key === "+" || event.key === "=") this.zoomBy(1.5);
    else if (event.key === "-") this.zoomBy(1 / 1.5);
    else if (event.key === "0") this.fit();
    else if (event.key === "Enter" && this.crosshair) this.pick(...this.crosshair);
    else return;
    event.preventDefault();
  }
}
