// How the antennas do: a cell for each, filled as far as it is flagged, and the names of those that should be looked at.

import { $, h, keyed, setAttribute, setText } from "./dom.js";
import { number } from "./format.js";

const NAMED = 16; // of those that are flagged, and of the others that should be looked at
const WORDS = { flagged: "flagged away", high: "too bright", low: "too faint" };

const percent = (share) => `${Math.round(100 * share)} %`;

export function antennas(state) {
  const seen = state.antennas;
  $("antennas").hidden = !seen;
  if (!seen) return;
  const all = seen.antennas.map((antenna, key) => ({ ...antenna, key }));
  const flagged = all.filter((each) => each.fault === "flagged");
  const unlike = all.filter((each) => each.fault && each.fault !== "flagged"), faulty = flagged.length + unlike.length;
  const run = state.jobs.flatMap((job) => job.runs).reverse().find((each) => each.run === seen.run);
  setText($("antennas-sum"), `${run ? `${run.name}: ` : ""}${all.length} with data, ${percent(seen.flagged)} of samples flagged, ` +
    (faulty ? `${flagged.length} flagged away, ${unlike.length} of unlike amplitude` : "none stands out"));
  setAttribute($("antenna-cells"), "aria-label", $("antennas-sum").textContent);
  keyed($("antenna-cells"), all, (each) => each.key, () => h("i", {}, h("b")), cell);
  const named = [...flagged.slice(0, NAMED), ...unlike.slice(0, NAMED)], more = faulty - named.length;
  keyed($("antenna-faults"), named, (each) => each.key, () => h("li", { class: "chip" }), (item, each) => {
    setText(item, each.fault === "flagged" ? `${each.name} ${percent(each.flagged)} flagged` : `${each.name} ×${number(each.level)}`);
    setAttribute(item, "data-fault", each.fault);
    setAttribute(item, "title", words(each));
  });
  setText($("antennas-more"), more ? `and ${more} more` : "");
}

function cell(element, antenna) {
  setAttribute(element, "data-fault", antenna.fault);
  setAttribute(element, "title", words(antenna));
  element.firstElementChild.style.height = percent(antenna.flagged).replace(" ", "");
}

function words({ name, flagged, level, fault }) {
  const amplitude = level === null ? "" : `, amplitude ×${number(level)} of the median`;
  return `${name}: ${percent(flagged)} flagged${amplitude}${fault ? `, ${WORDS[fault]}` : ""}`;
}
