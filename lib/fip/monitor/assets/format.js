// Numbers, times and angles as people read them.

const MJD_OF_1970 = 40587;

/** Unix time of seconds since MJD 0. */
export const unix = (seconds) => seconds - MJD_OF_1970 * 86400;

/** 20:00:04 UTC of a Unix time. */
export function clock(time, digits = 0) {
  const text = new Date(time * 1000).toISOString();
  return digits ? text.slice(11, 20 + Math.min(digits, 3)) : text.slice(11, 19);
}

export const date = (time) => new Date(time * 1000).toISOString().slice(0, 10);

/** 0.4 s, 12 s, 3:20, 2:05:10. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !isFinite(seconds)) return "–";
  if (seconds < 0.0005) return "0 s";
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

export function bytes(n) {
  if (n === null || n === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let k = 0;
  for (; n >= 999.5 && k < units.length - 1; k++) n /= 1000;
  return `${k && n < 99.5 ? n.toPrecision(2) : Math.round(n)} ${units[k]}`;
}

export function number(n, digits = 3) {
  if (n === null || n === undefined || !isFinite(n)) return "–";
  return n >= 10 ** (digits - 1) ? Math.round(n).toLocaleString("en") : String(Number(n.toPrecision(digits)));
}

/** The unit in which a brightness in Jy/beam is handy, and how many Jy/beam it is. */
export function fluxUnit(brightest) {
  for (const [name, factor] of [["Jy/beam", 1], ["mJy/beam", 1e-3]]) if (brightest >= factor) return [name, factor];
  return ["µJy/beam", 1e-6];
}

export function flux(value) {
  const [name, factor] = fluxUnit(Math.abs(value));
  return `${Number((value / factor).toPrecision(4))} ${name}`;
}

export function hours(radians) {
  const seconds = ((((radians * 12) / Math.PI) % 24) + 24) % 24 * 3600;
  const hundredths = Math.round(seconds * 100) % 8640000;
  return sexagesimal(hundredths, "h", "m", "s", 2);
}

export function degrees(radians) {
  const tenths = Math.round(Math.abs((radians * 180) / Math.PI) * 36000);
  return (radians < 0 ? "−" : "+") + sexagesimal(tenths, "°", "′", "″", 1);
}

function sexagesimal(parts, first, second, third, digits) {
  const unit = 10 ** digits, two = (n) => String(n).padStart(2, "0");
  const seconds = ((parts % (60 * unit)) / unit).toFixed(digits).padStart(3 + digits, "0");
  const minutes = Math.floor(parts / (60 * unit));
  return `${two(Math.floor(minutes / 60))}${first}${two(minutes % 60)}${second}${seconds}${third}`;
}
