// What the page itself finds in images: fluxes, directions, times. All else comes in words.

const MJD_OF_1970 = 40587;

/** Unix time of seconds since MJD 0. */
export const unix = (seconds) => seconds - MJD_OF_1970 * 86400;

/** 20:00:04, in UTC, of a Unix time. */
export function clock(time, digits = 0) {
  const text = new Date(time * 1000).toISOString();
  return digits ? text.slice(11, 20 + Math.min(digits, 3)) : text.slice(11, 19);
}

export const date = (time) => new Date(time * 1000).toISOString().slice(0, 10);

/** The unit in which a brightness in Jy/beam is handy, and how many Jy/beam it is. */
export function fluxUnit(brightest) {
  for (const [name, factor] of [["Jy/beam", 1], ["mJy/beam", 1e-3]]) if (brightest >= factor) return [name, factor];
  return ["µJy/beam", 1e-6];
}

export function flux(value) {
  const [name, factor] = fluxUnit(Math.abs(value));
  return `${Number((value / factor).toPrecision(4))} ${name}`;
}

/** 98.2%, of a share; 100% only if it is all. */
export const share = (part) => (part === 1 ? "100%" : `${Math.min(99.9, 100 * part).toFixed(1)}%`);

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
