// Draws any panel of the state: fip.state.panel says what is in one. All words are the state's.

import { $, h, keyed, setAttribute, setText } from "./dom.js";

/** Draws a panel into the section of its name, which is made if the page has none. `cancel` gets the name of a job. */
export function drawPanel(panel, cancel) {
  const { name, title, summary, level, facts, tables, nothing } = panel, place = $(name) || section(name);
  place.hidden = !(summary || nothing || facts.length || tables.length);
  setText(place.querySelector("h2"), title);
  setText(place.querySelector("h2 + .note"), summary);
  place.querySelector(".title").dataset.level = level;
  keyed(place.querySelector(".pairs"), facts.flatMap((fact) => [["dt", ...fact], ["dd", ...fact]]), ([tag, key]) => `${tag} ${key}`,
    ([tag]) => h(tag), (element, [tag, key, items, urgent]) => (tag === "dt" ? setText(element, key) : fill(element, items, urgent)));
  keyed(place.querySelector(".tables"), tables, (table) => table.title, (table) => tableOf(title, table),
    (element, table) => updateTable(element, table, cancel));
  setText(place.querySelector(".nothing"), facts.length || tables.length ? "" : nothing);
}

function section(name) {
  const made = h("section", { id: name });
  (name.startsWith("follower-") ? $("sink").parentElement : $("panels")).append(made);
  return prepare(made);
}

/** Gives a section of the page what a panel needs; a drawing that it has stays below. */
export function prepare(place) {
  place.prepend(h("div", { class: "title" }, h("h2", { id: `${place.id}-title` }), h("span", { class: "note" })),
    h("dl", { class: "pairs" }), h("div", { class: "tables" }), h("p", { class: "note nothing" }));
  place.setAttribute("aria-labelledby", `${place.id}-title`);
  return place;
}

/** Text; or chips, if somebody should look at them. */
function fill(element, items, level) {
  if (!level) return element.firstElementChild ? element.replaceChildren(items.join(", ")) : setText(element, items.join(", "));
  if (!element.firstElementChild) element.replaceChildren();
  return keyed(element, items, (item) => item, (item) => h("span", { class: "chip" }, item), (chip) => setAttribute(chip, "data-level", level));
}

function tableOf(title, { title: name, shown }) {
  const table = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title} ${name}` },
    h("table", {}, h("thead", {}, h("tr")), h("tbody")));
  if (shown === "rows") return h("div", {}, name ? h("h3", {}, name) : null, table);
  return h("div", {}, shown === "cells" ? h("div", { class: "cells", role: "img", "aria-label": title }) : null,
    h("details", {}, h("summary", {}, name), table));
}

function updateTable(element, { heads, rows, shown }, cancel) {
  const keys = rows.map(([key], k) => [key || `${rows.length - k}`, ...rows[k].slice(1)]);
  if (shown === "cells") drawCells(element.querySelector(".cells"), heads, rows);
  if (element.querySelector("details")?.open === false) return;
  keyed(element.querySelector("thead tr"), heads, ([name]) => name, ([name, kind]) => h("th", { class: kind }, name), () => {});
  keyed(element.querySelector("tbody"), keys, ([key]) => key, () => h("tr", {}, ...heads.map(([, kind]) => h("td", { class: kind }))),
    (row, [, cells, level, bar, job]) => updateRow(row, cells, level, bar, heads, job, cancel));
}

function updateRow(row, cells, level, bar, heads, job, cancel) {
  setAttribute(row, "data-level", level);
  cells.forEach((text, k) => {
    if (heads[k][1] !== "bar" || !bar) return setText(row.children[k], text);
    if (!row.children[k].firstElementChild) row.children[k].replaceChildren(h("div", { class: "shares", role: "img" }), h("span"));
    drawBar(row.children[k].firstElementChild, bar);
    return setText(row.children[k].lastElementChild, text);
  });
  const button = row.querySelector("button");
  if (!job) button?.parentElement.remove();
  else if (!button) {
    row.append(h("td", {}, h("button", { type: "button", class: "quiet", onclick: () => cancel(job), "aria-label": `Cancel job ${job}` },
      "Cancel")));
  }
}

/** Shares of a whole, side by side. */
export function drawBar(place, [parts, words]) {
  keyed(place, parts, ([what]) => what, ([what]) => h("i", { class: what }), (part, [, share]) => { part.style.width = `${100 * share}%`; });
  setAttribute(place, "aria-label", words);
}

/** A cell for each row, in the order of their names, filled as far as its bar says. */
function drawCells(place, heads, rows) {
  const ordered = [...rows].sort(([one], [other]) => one.localeCompare(other, "en", { numeric: true }));
  keyed(place, ordered, ([key]) => key, () => h("i", {}, h("b")), (cell, [, cells, level, bar]) => {
    setAttribute(cell, "data-level", level);
    setAttribute(cell, "title", cells.map((text, k) => `${heads[k][0]} ${text}`).join(", "));
    cell.firstElementChild.style.height = `${100 * (bar ? bar[0][0][1] : 0)}%`;
  });
}
