// Listens to the pipeline, and has every part of the page drawn.

import * as api from "./api.js";
import { $, h, setAttribute, setText } from "./dom.js";
import { GoTo } from "./goto.js";
import { drawGraph } from "./graph.js";
import { drawBar, drawPanel, prepare } from "./panel.js";
import { Sky } from "./sky.js";
import { collect, drawStream } from "./stream.js";
import { Transients } from "./transients.js";

const SILENT = 6000; // ms without a word from the monitor
const sky = new Sky(), transients = new Transients(sky, change);
new GoTo(sky);
let state = null, heard = performance.now(), source = null;

function show(next) {
  state = next;
  heard = performance.now();
  const [now, ...others] = state.panels;
  showNow(now);
  drawGraph($("graph"), state);
  for (const panel of others) if (panel.name !== "transients") drawPanel(panel, cancel); // these are shown run by run
  collect(state);
  drawStream($("stream"), state);
  sky.refresh().then(() => transients.refresh()).catch(report);
}

/** The verdict, and how it goes, in large. */
function showNow({ title, summary, level, bar, facts }) {
  setText($("headline"), title);
  setAttribute($("headline"), "data-level", level);
  setText($("headline-label"), summary);
  drawBar($("progress"), bar);
  setAttribute($("progress"), "aria-valuenow", Math.floor(100 * bar[0][0][1]));
  $("facts").replaceChildren(...facts.map(([name, items, level]) =>
    h("div", {}, h("dt", {}, name),
      h("dd", { id: name, "data-level": level }, items[0], ...items.slice(1).map((item) => h("small", {}, item))))));
  setText($("verdict"), state.verdict);
  setAttribute($("verdict"), "data-is", state.verdict);
  setText($("reasons"), state.reasons.join(" · "));
  document.title = title === "–" ? "FIP" : `${title} ${summary} · FIP`;
}

function report(error) {
  if (error instanceof api.Refused) signIn().catch(() => {});
  else setText($("reasons"), error.message);
}

function listen() {
  source?.close();
  source = new EventSource("/api/events");
  source.addEventListener("state", (event) => show(JSON.parse(event.data)));
}

function watchSilence() {
  if (performance.now() - heard < SILENT) return;
  setText($("verdict"), "no monitor");
  $("verdict").dataset.is = "no pipeline";
  setText($("reasons"), "this page's monitor does not answer: it is tried again");
  if (source?.readyState === EventSource.CLOSED) listen();
}

/** Resolves once the right token was given, rejects where it was not wanted. */
function signIn(why) {
  const dialog = $("token-dialog");
  if (dialog.open) return Promise.reject(new Error("it is asked for already"));
  if (why) setText($("token-why"), why);
  setText($("token-error"), "");
  dialog.showModal();
  return new Promise((resolve, reject) => {
    dialog.onclose = () => reject(new Error("not signed in"));
    $("token-cancel").onclick = () => dialog.close();
    $("token-ok").onclick = async (event) => {
      event.preventDefault();
      try {
        await api.signIn($("token").value.trim());
        dialog.onclose = null;
        dialog.close();
        start();
        resolve();
      } catch (error) {
        setText($("token-error"), error instanceof api.Refused ? "This is not the token of this monitor." : error.message);
      }
    };
  });
}

async function cancel(job) {
  setText($("ask-text"), `${job}: slices that are not stored yet will not be imaged; what is stored stays.`);
  const dialog = $("ask-dialog");
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => { dialog.onclose = resolve; });
  if (dialog.returnValue !== "yes") return;
  await change(`/api/jobs/${encodeURIComponent(job)}/cancel`).catch((error) => setText($("reasons"), error.message));
}

/** Asks for a change; for the token first if that is not known. */
async function change(path) {
  try {
    return await api.change(path);
  } catch (error) {
    if (!(error instanceof api.Refused)) throw error;
    await signIn();
    return api.change(path);
  }
}

async function settings() {
  const { settings, versions } = await api.json("/api/config");
  $("setting-rows").replaceChildren(...settings.map(([key, value, origin]) =>
    h("tr", {}, h("td", {}, key), h("td", {}, value === null ? "–" : String(value)), h("td", { class: "note" }, origin))));
  setText($("versions"), Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(" · "));
  const file = settings.find(([key]) => key === "monitor.token_file");
  setText($("token-file"), file ? `(${file[1]})` : "");
}

function themes() {
  const names = ["", "light", "dark"], root = document.documentElement;
  const apply = (name) => {
    if (name) root.dataset.theme = name;
    else delete root.dataset.theme;
    $("theme").setAttribute("aria-label", `Colours: ${name || "as the system"}`);
    if (state) drawStream($("stream"), state);
  };
  apply(localStorage.getItem("fip-theme") || "");
  $("theme").onclick = () => {
    const name = names[(names.indexOf(root.dataset.theme || "") + 1) % names.length];
    localStorage.setItem("fip-theme", name);
    apply(name);
  };
}

async function start() {
  try {
    await settings();
    await sky.start();
    listen();
  } catch (error) { report(error); }
}

/** Has a part of the page about the run that is shown filled whenever it is opened. */
function whenOpened(name, path, fill) {
  $(name).addEventListener("toggle", () => {
    if ($(name).open && sky.run) api.json(`/api/runs/${encodeURIComponent(sky.run)}/${path}`).then(fill).catch(report);
  });
}

whenOpened("log-box", "log", ({ log }) => setText($("log"),
  log || "There is no fip.log beside the images of this run; daemons under systemd log to the journal."));
whenOpened("run-box", "settings", (settings) => $("run-settings").replaceChildren(
  ...Object.entries(settings).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
$("sign-in").onclick = () => signIn().catch(() => {});
window.addEventListener("resize", () => state && drawStream($("stream"), state));
setInterval(watchSilence, 1000);
for (const place of document.querySelectorAll("[data-panel]")) prepare(place);
themes();
start();
