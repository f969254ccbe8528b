// What is asked of the monitor. Reading is by cookie where it needs one; what changes something carries the token.

let token = sessionStorage.getItem("fip-token") || "";

export class Refused extends Error {}

async function ask(path, options = {}) {
  const answer = await fetch(path, { credentials: "same-origin", ...options });
  if (answer.status === 401) throw new Refused(await answer.text());
  if (!answer.ok) {
    const text = await answer.text();
    let said = text;
    try { said = JSON.parse(text).error; } catch { /* it is plain text */ }
    throw new Error(said);
  }
  return answer;
}

export const json = async (path, options) => (await ask(path, options)).json();

export const text = async (path) => (await ask(path)).text();

/** A view of an image: float32, row by row from the south, and what a shown pixel is: docs/monitoring.md, "Views". */
export async function view(path, { plane = 0, most, window, of, kind = "image" }) {
  const wanted = new URLSearchParams({ plane, most, of, kind, ...window }), answer = await ask(`${path}/view?${wanted}`);
  const { left, bottom, columns, rows, block, step } = JSON.parse(answer.headers.get("X-FIP-View"));
  const values = unpacked(new Uint8Array(await answer.arrayBuffer()), step);
  return { values, width: columns, height: rows, left, bottom, block, step };
}

/** Numbers of which the first bytes come first, then the second ones, ...; with a step they count steps. */
function unpacked(bytes, step) {
  const count = bytes.length / 4, numbers = new Uint32Array(count);
  for (let k = 0; k < count; k++) {
    numbers[k] = bytes[k] | (bytes[k + count] << 8) | (bytes[k + 2 * count] << 16) | (bytes[k + 3 * count] << 24);
  }
  if (!step) return new Float32Array(numbers.buffer);
  return Float32Array.from(numbers, (each) => each === 0xffffffff ? NaN : step * ((each >>> 1) ^ -(each & 1)));
}

export const change = (path) => ask(path, { method: "POST", headers: { Authorization: `Bearer ${token}` } });

/** Shows the token once: the page may then read everywhere, and change things. */
export async function signIn(said) {
  token = said;
  await change("/api/session");
  sessionStorage.setItem("fip-token", said);
}
