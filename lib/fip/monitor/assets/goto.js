// Goes to a place in the image that is shown: by the name of an event, of a source or a body, or by coordinates.

import { json } from "./api.js";
import { $, h, setText } from "./dom.js";

const MOST_NAMES = 100; // that are offered

export class GoTo {
  constructor(sky) {
    this.sky = sky;
    $("go").onsubmit = (event) => {
      event.preventDefault();
      this.go($("go-to").value.trim()).catch((error) => setText($("go-said"), error.message));
    };
    $("go-to").onfocus = () => this.offer();
  }

  async go(name) {
    if (!name || this.sky.shown === null) return;
    const { run, shown } = this.sky;
    setText($("go-said"), "");
    const asked = new URLSearchParams({ name, like: shown });
    const { x, y, said } = await json(`/api/runs/${encodeURIComponent(run)}/place?${asked}`);
    if (run !== this.sky.run) return;
    setText($("go-said"), said);
    await this.sky.lookAt(x, y);
  }

  /** The names of what was found, and of what is known there. */
  offer() {
    const names = this.sky.events.flatMap(({ id, matches }) => [id, ...(matches ?? []).map(({ name }) => name)]);
    $("go-names").replaceChildren(...[...new Set(names)].slice(0, MOST_NAMES).map((name) => h("option", { value: name })));
  }
}
