// The smallest changes that would change the answer, as sentences with a button each.

import { count, justBeyond } from "./format.js";
import { element } from "./probabilities.js";

const MOST_FLIPS = 6;

export class Flips {
  /** @param apply called with the name of a feature and its new value */
  constructor(apply) {
    this.apply = apply;
    this.section = document.querySelector("#flips");
    this.lead = document.querySelector("#flips-lead");
    this.list = document.querySelector("#flips-list");
  }

  show(flips, labelNow, textOf) {
    const possible = flips.filter((flip) => flip.flipped !== null);
    const fixed = flips.length - possible.length;
    this.section.hidden = false;
    this.lead.textContent = leadOf(labelNow, possible.length, fixed);
    this.list.replaceChildren(...possible.slice(0, MOST_FLIPS).map((flip) => this.#line(flip, textOf(flip.feature))));
  }

  #line(flip, now) {
    const isNumber = typeof flip.flipped === "number";
    const next = isNumber ? String(justBeyond(flip.value, flip.flipped)) : flip.flipped;
    const words = element("p", "");
    words.append(
      element("b", "", flip.feature),
      ` from ${now} to `,
      element("b", "", next),
      " would make it ",
      element("b", "", flip.label),
    );
    const button = element("button", "", "Try it");
    button.type = "button";
    button.setAttribute("aria-label", `Try it: ${flip.feature} ${next}`);
    button.addEventListener("click", () => this.apply(flip.feature, next));
    const line = document.createElement("li");
    line.append(words, button);
    return line;
  }
}

function leadOf(label, possible, fixed) {
  if (possible === 0) return `No single feature, within its range in training, can change the answer ${label}.`;
  const rest = fixed === 0 ? "" : ` ${count(fixed, "feature")} cannot change the answer alone.`;
  return `Each of these alone, and nothing smaller, takes the answer away from ${label}.${rest}`;
}
