// One image on a canvas: pan, zoom, stretch and colours. Only what is seen is drawn, from a pyramid of maxima, so that a
// point source never falls between two pixels of the screen.

const LOWEST = -3, HIGHEST = 15, OUTSTANDING = 300, LINEAR = 4; // times the noise, as lib/fip/archive/render.py has it
const EMPTY = 0xff403a38; // colour of NaN, ABGR
const MOST_ZOOM = 64; // screen pixels to one of the image

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

/** The image, and halves of it down to a few hundred pixels, each pixel the maximum of four. */
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
    from = { values, width, height };
    levels.push(from);
  }
  return levels;
}

/** Draws an image whole on a small canvas. */
export function thumbnail(canvas, image, look) {
  const side = 76, colour = colourer(look.range, look.stretch, look.colours), brush = canvas.getContext("2d");
  canvas.width = canvas.height = side;
  const drawn = brush.createImageData(side, side), out = new Uint32Array(drawn.data.buffer);
  const scale = Math.max(image.width, image.height) / side;
  const [left, bottom] = [(side - image.width / scale) / 2, (side - image.height / scale) / 2];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const column = Math.floor((x - left) * scale), row = Math.floor((side - 1 - y - bottom) * scale);
      if (column >= 0 && row >= 0 && column < image.width && row < image.height) {
        out[y * side + x] = colour(image.values[row * image.width + column]);
      }
    }
  }
  brush.putImageData(drawn, 0, 0);
}

export class Viewer {
  /** `told.cursor(x, y, value)` and `told.pick(x, y)` are called with pixels of the image, counted from 0. */
  constructor(canvas, told) {
    this.canvas = canvas;
    this.told = told;
    this.levels = [];
    this.mark = null;
    this.look = null;
    this.crosshair = null; // pixel that the keyboard points at
    new ResizeObserver(() => this.draw()).observe(canvas);
    this.listen();
  }

  get image() { return this.levels[0]; }

  /** Shows other pixels; the view stays where the grid does. */
  show(image) {
    const same = this.image && this.image.width === image.width && this.image.height === image.height;
    this.levels = pyramid(image);
    if (!same) this.fit();
    else this.draw();
  }

  setLook(look) { this.look = look; this.draw(); }

  fit() {
    if (!this.image) return;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.zoom = Math.min(width / this.image.width, height / this.image.height);
    [this.x, this.y] = [this.image.width / 2, this.image.height / 2];
    this.draw();
  }

  /** Pixel (continuous, from 0 at the middle of the first) at a place on the screen. */
  at(left, top) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return [this.x - 0.5 + (left - width / 2) / this.zoom, this.y - 0.5 - (top - height / 2) / this.zoom];
  }

  value(x, y) {
    const inside = this.image && x >= 0 && y >= 0 && x < this.image.width && y < this.image.height;
    return inside ? this.image.values[y * this.image.width + x] : undefined;
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
    const out = new Uint32Array(drawn.data.buffer), zoom = this.zoom * ratio;
    const number = Math.max(0, Math.min(this.levels.length - 1, Math.floor(Math.log2(1 / zoom) + 0.001)));
    const level = this.levels[number], step = 1 / (zoom * 2 ** number), factor = 2 ** -number;
    const colour = colourer(this.look.range, this.look.stretch, this.look.colours);
    for (let top = 0; top < height; top++) {
      const row = Math.floor(this.y * factor - (top + 0.5 - height / 2) * step);
      if (row < 0 || row >= level.height) continue;
      for (let left = 0; left < width; left++) {
        const column = Math.floor(this.x * factor + (left + 0.5 - width / 2) * step);
        if (column >= 0 && column < level.width) out[top * width + left] = colour(level.values[row * level.width + column]);
      }
    }
    brush.putImageData(drawn, 0, 0);
    brush.save();
    brush.scale(ratio, ratio);
    this.overlay(brush);
    brush.restore();
  }

  overlay(brush) {
    const place = ([x, y]) => [(x + 0.5 - this.x) * this.zoom + this.canvas.clientWidth / 2,
      (this.y - y - 0.5) * this.zoom + this.canvas.clientHeight / 2];
    if (this.mark) {
      const [left, top] = place(this.mark);
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
      const [left, top] = place(this.crosshair);
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
      if (this.image) this.tell(...this.at(event.offsetX, event.offsetY));
    });
    canvas.addEventListener("pointerup", (event) => {
      if (from && !moved && this.image) this.pick(...this.at(event.offsetX, event.offsetY).map(Math.round));
      from = null;
    });
    canvas.addEventListener("pointerleave", () => this.told.cursor(null));
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
