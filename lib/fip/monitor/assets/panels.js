// Headline, tables and lists of the page, from the state of the pipeline.

import { $, h, keyed, setAttribute, setText } from "./dom.js";
import { bytes, clock, duration, number } from "./format.js";

export const running = (state) => state.jobs.filter((job) => job.state === "running");

/** The runs that count now: those of the jobs under way, or else of the last job. */
function runsNow(state) {
  const jobs = running(state).length ? running(state) : state.jobs.slice(-1);
  return jobs.flatMap((job) => job.runs);
}

export function headline(state) {
  const runs = runsNow(state), sum = (key) => runs.reduce((total, run) => total + run[key], 0);
  const total = sum("total"), stored = sum("stored"), failed = sum("failed");
  const growing = runs.some((run) => !run.final); // their MeasurementSets are still being written
  const deadline = Math.max(0, ...runs.map((run) => run.deadline || 0));
  let [big, label, late] = ["–", "waiting for the pipeline", false];
  if (state.since !== null) [big, label, late] = [duration(state.time - state.since), "since the pipeline was last heard", true];
  else if (state.lag !== null) [big, label, late] = [state.lag < 0.05 ? "0 s" : duration(state.lag), "behind the data", state.lag > deadline];
  else if (state.eta !== null) [big, label] = [duration(state.eta), "left"];
  else if (growing && stored + failed >= total) [big, label] = ["waiting", "for more data"];
  else if (total && stored + failed >= total) [big, label] = ["done", failed ? `but for ${failed} slices` : "every slice is stored"];
  else if (total) [big, label] = [`${stored}`, `of ${total} images`];
  else if (state.ventilator) label = "nothing to do";
  setText($("headline"), big);
  $("headline").className = late ? "late" : "";
  setText($("headline-label"), label);
  setText($("stored"), total ? `${stored.toLocaleString("en")} / ${total.toLocaleString("en")}${growing ? " so far" : ""}` : "–");
  setText($("rate"), number(state.rate));
  setText($("failed"), String(failed));
  $("failed").className = failed ? "bad" : "";
  bar($("progress"), stored, failed, total);
  setText($("verdict"), state.verdict);
  setAttribute($("verdict"), "data-is", state.verdict);
  setText($("reasons"), state.reasons.join(" · "));
  document.title = `${big === "–" ? "" : `${big} ${label} · `}FIP`;
}

function bar(place, stored, failed, total) {
  place.firstElementChild.style.width = `${total ? (100 * stored) / total : 0}%`;
  place.lastElementChild.style.width = `${total ? (100 * failed) / total : 0}%`;
  if (place.hasAttribute("role")) setAttribute(place, "aria-valuenow", total ? Math.floor((100 * stored) / total) : 0);
}

const WORKER_CELLS = 12;

export function workers(state) {
  const living = state.workers.filter((worker) => worker.state !== "gone");
  const cpu = living.reduce((sum, worker) => sum + (worker.trend?.cpu || 0), 0);
  setText($("workers-sum"), living.length ? `${living.length} living, ${number(cpu, 2)} cores busy` : "none");
  keyed($("worker-rows"), state.workers, (worker) => `${worker.status.host}/${worker.status.name}`,
    () => h("tr", {}, ...Array.from({ length: WORKER_CELLS }, () => h("td"))), workerRow);
}

function workerRow(row, worker) {
  const { status, trend } = worker, image = status.latencies.image, wait = status.latencies.wait, gpu = status.resources.gpu;
  setAttribute(row, "data-state", worker.state);
  setAttribute(row, "title", worker.why || `process ${status.pid}, FIP ${status.version}`);
  const texts = [
    `${status.host}/${status.name}`, status.device || "–",
    worker.why && worker.state !== "running" ? `${worker.state}: ${worker.why}` : worker.state,
    `${duration(worker.age)} ago`,
    worker.working ? `${worker.working[1]} for ${duration(worker.working_for)}` : "–",
    number(trend?.rates.images, 2), null, image ? duration(image.p50) : "–", image ? duration(image.p95) : "–",
    wait ? duration(wait.p95) : "–", bytes(status.resources.memory),
    gpu ? `${gpu.busy === null ? "" : `${Math.round(100 * gpu.busy)} % · `}${bytes(gpu.memory_used)}` : "–",
  ];
  texts.forEach((text, k) => {
    const cell = row.children[k];
    if (text === null) timeBar(cell, trend?.shares);
    else setText(cell, text);
    if ([5, 7, 8, 9, 10].includes(k)) cell.className = "n";
  });
}

function timeBar(cell, shares) {
  if (!cell.firstElementChild) {
    cell.append(h("div", { class: "shares", role: "img" }, ...["busy", "blocked", "idle"].map((kind) => h("i", { class: kind }))));
  }
  const place = cell.firstElementChild, percent = (kind) => Math.round(100 * (shares?.[kind] || 0));
  ["busy", "blocked", "idle"].forEach((kind, k) => { place.children[k].style.width = `${percent(kind)}%`; });
  setAttribute(place, "aria-label", shares ? `${percent("busy")} % busy, ${percent("blocked")} % blocked` : "not known");
}

/** `cancel` is called with a job that is to end. */
export function jobs(state, cancel) {
  const newest = [...state.jobs].reverse();
  if (!newest.length) $("job-list").replaceChildren(h("li", { class: "note" }, "No job was submitted."));
  else keyed($("job-list"), newest, (job) => job.job, (job) => jobItem(job, cancel), updateJob);
  const failures = state.failures;
  $("failures").replaceChildren(...(failures.length ? [h("h3", {}, "Slices that failed"),
    h("ul", { class: "lines" }, ...[...failures].reverse().map((each) => h("li", {},
      h("span", { class: "when" }, `slice ${each.index}, attempt ${each.attempt}`), h("span", { class: "error" }, each.reason))))] : []));
}

function jobItem(job, cancel) {
  return h("li", {},
    h("div", { class: "row" }, h("strong"), h("span", { class: "chip" }), h("span", { class: "grow" }),
      h("span", { class: "note" }),
      h("button", { type: "button", class: "quiet", onclick: () => cancel(job.job), "aria-label": `Cancel job ${job.job}` }, "Cancel")),
    h("div", { class: "progress" }, h("i"), h("b")),
    h("p", { class: "note" }));
}

function updateJob(item, job) {
  const [row, progress, paths] = item.children, [name, chip, , note, button] = row.children;
  const sum = (key) => job.runs.reduce((total, run) => total + run[key], 0);
  setText(name, job.job);
  setText(chip, job.state);
  setAttribute(chip, "data-is", job.state);
  const missed = sum("missed");
  setText(note, `${sum("stored")} / ${sum("total")}` + (sum("failed") ? `, ${sum("failed")} failed` : "") +
    (missed ? `, ${missed} late` : ""));
  button.hidden = !["running", "queued"].includes(job.state);
  bar(progress, sum("stored"), sum("failed"), sum("total"));
  setText(paths, (job.reason ? `${job.reason} · ` : "") + job.paths.join(", "));
}

/** What is known of ventilator and sink: stages, queues, counters, disk. */
export function ends(state) {
  const both = [["Ventilator", state.ventilator], ["Sink", state.sink]];
  $("ends").replaceChildren(...both.flatMap(([title, view]) => view ? [h("h3", {}, title), facts(view)] : []));
}

function facts(view) {
  const { status, trend } = view, list = h("dl", { class: "pairs" });
  const add = (name, text) => text && list.append(h("dt", {}, name), h("dd", {}, text));
  add("state", `${view.state}${view.why ? `: ${view.why}` : ""}, last word ${duration(view.age)} ago`);
  for (const [stage, took] of Object.entries(status.latencies)) {
    add(stage, `p50 ${duration(took.p50)}, p95 ${duration(took.p95)}, p99 ${duration(took.p99)}, ${took.count.toLocaleString("en")} times`);
  }
  const counted = Object.entries(status.counters).filter(([name, count]) => count && !name.startsWith("bytes"));
  add("counted", counted.map(([name, count]) => `${name.replaceAll("_", " ")} ${count.toLocaleString("en")}`).join(", "));
  const moved = Object.entries(status.counters).filter(([name, count]) => count && name.startsWith("bytes"));
  add("bytes", moved.map(([name, count]) => `${name.slice(6)} ${bytes(count)}`).join(", "));
  add("queues", Object.entries(status.queues).map(([name, count]) => `${name.replaceAll("_", " ")} ${count}`).join(", "));
  if (status.resources.disk_free !== null) {
    add("disk free", `${bytes(status.resources.disk_free)} of ${bytes(status.resources.disk_total)}`);
  }
  add("process", `${status.host}, ${status.pid}, ${bytes(status.resources.memory)}` + (trend?.cpu ? `, ${number(trend.cpu, 2)} cores` : ""));
  return list;
}

export function health(state) {
  lines($("errors"), state.errors, (each) => [clock(each.time), `${each.daemon}: ${each.text}`, each.level], "None.");
  const all = [state.ventilator, ...state.workers, state.sink].filter(Boolean).flatMap((view) =>
    view.status.events.map((event) => ({ ...event, daemon: `${view.status.host}/${view.status.name}` })));
  const newest = all.sort((a, b) => b.time - a.time).slice(0, 14);
  lines($("events"), newest, (each) => [clock(each.time),
    `${each.daemon} ${each.socket}: ${each.event}${each.peer ? ` ${each.peer}` : ""}${each.reason ? `: ${each.reason}` : ""}`,
    each.reason ? "error" : ""], "None was told.");
}

function lines(place, items, shown, nothing) {
  const texts = items.map(shown), key = JSON.stringify(texts);
  if (place.dataset.shown === key) return;
  place.dataset.shown = key;
  place.replaceChildren(...(texts.length ? texts.map(([when, text, level]) =>
    h("li", {}, h("span", { class: "when" }, when), h("span", { class: level }, text))) : [h("li", { class: "note" }, nothing)]));
}
