// The smallest changes that would change the answer, as sentences with a button each.

import { count, listed } from "./format.js";
import { element } from "./probabilities.js";

/** How many are requested; with fewer features all are known. */
export const MOST_FLIPS = 30;
const MOST_SHOWN = 6;

export class Flips {
  /** @param input the form, in which a change can be tried */
  constructor(input) {
    this.input = input;
    this.section = document.querySelector("#flips");
    this.lead = document.querySelector("#flips-lead");
    this.list = document.querySelector("#flips-list");
  }

  show(flips, labelNow) {
    const possible = flips.filter((flip) => flip.flipped !== null);
    const fixed = flips.filter((flip) => flip.flipped === null).map((flip) => flip.feature);
    this.section.hidden = flips.length === 0;
    this.lead.textContent = leadOf(labelNow, possible.length, fixed, this.input.hasTerms);
    this.list.replaceChildren(...possible.slice(0, MOST_SHOWN).map((flip) => this.#line(flip)));
  }

  #line(flip) {
    const { input } = this;
    const next = String(flip.rounded);
    const words = element("p", "");
    words.append(
      element("b", "", flip.feature),
      ` from ${input.has(flip.feature) ? input.textOf(flip.feature) : flip.value} to `,
      element("b", "", next),
      " would make it ",
      element("b", "", flip.label),
    );
    const line = document.createElement("li");
    line.append(words);
    if (!input.has(flip.feature)) return line; // a part of a date has no field
    const button = element("button", "", "Try it");
    button.type = "button";
    button.setAttribute("aria-label", `Try it: ${flip.feature} ${next}`);
    button.addEventListener("click", () => input.change(flip.feature, next));
    line.append(button);
    return line;
  }
}

function leadOf(label, possible, fixed, hasTerms) {
  const which = hasTerms ? " of those that no product, power or spline is made of" : "";
  if (possible === 0) return `No feature alone${which}, within its range in training, changes the answer ${label}.`;
  const rest = fixed.length === 0 ? "" : ` Within their range ${namesOrCount(fixed)} cannot.`;
  const least = "For a number, no change smaller by more than a hundredth does.";
  return `Each of these alone takes the answer away from ${label}. ${least}${rest}`;
}

function namesOrCount(names) {
  return names.length > 3 ? count(names.length, "other feature") : listed(names);
}
