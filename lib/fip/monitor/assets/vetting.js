// What people say of an event: a button for each verdict, and what was said before. The detector enters it; until the
// event's table shows it, it is asked for.

import { $, h, setAttribute, setText } from "./dom.js";

const VERDICTS = ["real", "rfi", "satellite", "artefact"], NONE = "none";
const USER = "fip-user"; // where the browser keeps the name of who sits before it

export class Vetting {
  /** `change` asks for a change at a path; `pathOf` gives that of an event; `look` looks at the table soon. */
  constructor(change, pathOf, look) {
    Object.assign(this, { change, pathOf, look, asked: new Map() }); // by event, what was asked for, and why it is not done
    const user = $("user");
    user.value = localStorage.getItem(USER) ?? "";
    user.onchange = () => localStorage.setItem(USER, user.value.trim());
  }

  forget() {
    this.asked.clear();
  }

  row(event) {
    const buttons = VERDICTS.map((said) => h("button", { type: "button", class: "quiet", "data-said": said }, said));
    const row = h("div", { class: "vetting" },
      h("div", { class: "verdicts", role: "group", "aria-label": `What ${event.id} is` }, ...buttons),
      h("p", { class: "note", role: "status" }), h("p", { class: "note" }));
    for (const button of buttons) button.onclick = () => this.say(row, button);
    return row;
  }

  fill(row, event) {
    const [verdicts, said, before] = row.children, verdict = event.verdict?.label ?? NONE;
    if (this.asked.get(event.id)?.said === verdict) this.asked.delete(event.id); // the table shows it
    row.hidden = event.labels.includes("injection"); // what FIP has put in is known
    row.event = event;
    for (const button of verdicts.children) setAttribute(button, "aria-pressed", button.dataset.said === verdict);
    setText(said, this.words(event));
    setText(before, event.before.length ? `here before: ${event.before.slice(0, 3).map(wordsOf).join("; ")}` : "");
  }

  words({ id, verdict }) {
    const asked = this.asked.get(id);
    if (!asked) return verdict ? wordsOf(verdict) : "";
    const what = asked.said === NONE ? "to take it back" : asked.said;
    return asked.why ? `${what}: not entered: ${asked.why}` : `asked: ${what}`;
  }

  /** Asks for a verdict; for none if it is what counts now. */
  async say(row, button) {
    const { event } = row, said = button.getAttribute("aria-pressed") === "true" ? NONE : button.dataset.said;
    const asked = { said, why: "" }, wanted = new URLSearchParams({ label: said, user: $("user").value.trim() });
    this.asked.set(event.id, asked);
    this.fill(row, event);
    try {
      await this.change(`${this.pathOf(event.id)}/label?${wanted}`);
      this.look();
    } catch (error) {
      asked.why = error.message;
      this.fill(row, row.event);
    }
  }
}

const wordsOf = ({ label, user, time }) => `${label}, says ${user}, ${time.slice(0, 16).replace("T", " ")} UTC`;
