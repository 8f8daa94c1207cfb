// What counts for one class against another: the choice of the two, and the sum in words.

import { element } from "./probabilities.js";
import { short, signed } from "./format.js";

/**
 * The two classes that are compared: those that the user chose, or else the answer and the runner-up.
 */
export class Pair {
  constructor(classes, changed) {
    this.classes = classes;
    this.ranked = [0, 1];
    this.selects = ["#for-class", "#against-class"].map((name) => document.querySelector(name));
    for (const select of this.selects) {
      select.replaceChildren(new Option("", ""), ...classes.map((label, position) => new Option(label, position)));
      select.addEventListener("change", changed);
    }
    this.follow([0, 1]);
  }

  /** Know the classes in the order of their probability. */
  follow(ranked) {
    this.ranked = ranked;
    this.selects.forEach((select, place) => {
      select.options[0].textContent = `${this.classes[ranked[place]]} (${["the answer", "the runner-up"][place]})`;
    });
  }

  /** Positions of the two classes; null where they are the same. */
  get chosen() {
    const [one, other] = this.selects.map((select, place) =>
      select.value === "" ? this.ranked[place] : Number(select.value),
    );
    return one === other ? null : [one, other];
  }
}

/** The sums of an explanation of one class against another. */
export function sumsOf(explanation) {
  const values = explanation.rows[0].contributions[0];
  const start = explanation.baseline[0];
  const gains = values.reduce((sum, value) => sum + Math.max(value, 0), 0);
  const losses = values.reduce((sum, value) => sum + Math.min(value, 0), 0);
  return { values, start, gains, losses, total: start + gains + losses };
}

/** The sum in words. */
export function inWords(label, other, { start, gains, losses, total }, beginning) {
  const sentence = element("span", "");
  sentence.append(
    `${beginning} the score of `,
    element("b", "for", label),
    " minus that of ",
    element("b", "against", other),
    ` is ${signed(start)}. What counts for ${label} adds ${signed(gains)}, what counts for ${other} `,
    `${signed(losses)}; together ${signed(total)}, so ${oddsInWords(label, other, total)}.`,
  );
  return sentence;
}

function oddsInWords(label, other, total) {
  const [likelier, rarer] = total >= 0 ? [label, other] : [other, label];
  const odds = Math.exp(Math.abs(total));
  if (odds < 1.05) return `${label} and ${other} are about equally probable`;
  const times = odds < 1e6 ? short(odds) : "more than a million";
  return `${likelier} is ${times} times as probable as ${rarer}`;
}

/** Whether the model knows the means of its training data, from which contributions then count. */
export function hasMeans(model) {
  return model.features.some((feature) => feature.mean !== null);
}
