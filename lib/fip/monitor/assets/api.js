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

/** Pixels as float32, row by row from the south, and how many became one. */
export async function pixels(path, signal) {
  const answer = await ask(path, { signal });
  const told = (name) => Number(answer.headers.get(`X-FIP-${name}`));
  return { values: new Float32Array(await answer.arrayBuffer()), width: told("Width"), height: told("Height"),
    block: told("Block") };
}

export const change = (path) => ask(path, { method: "POST", headers: { Authorization: `Bearer ${token}` } });

/** Shows the token once: the page may then read everywhere, and change things. */
export async function signIn(said) {
  token = said;
  await change("/api/session");
  sessionStorage.setItem("fip-token", said);
}
