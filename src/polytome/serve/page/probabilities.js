// The answer: a bar and a number for each class, and one sentence.

import { count, percent } from "./format.js";

const MOST_BARS = 15;
const SPEAK_AFTER = 700; // milliseconds of rest: a screen reader would never get to the end of a live sentence

export class Probabilities {
  constructor(classes) {
    this.classes = classes;
    this.body = document.querySelector("#probabilities");
    this.best = document.querySelector("#best");
    this.spoken = document.querySelector("#spoken");
    this.others = document.querySelector("#other-classes");
    this.isShort = classes.length <= MOST_BARS;
    const rows = classes.slice(0, MOST_BARS).map(() => emptyRow());
    this.body.replaceChildren(...rows);
  }

  /** Show that there is nothing to answer yet. */
  rest(words) {
    this.others.hidden = true;
    this.#fill(this.classes.map((_, position) => ({ position, probability: null })));
    this.best.replaceChildren(element("span", "waiting", words));
    this.#speak("");
  }

  show(probabilities) {
    const found = probabilities.map((probability, position) => ({ position, probability }));
    const ranked = [...found].sort((a, b) => b.probability - a.probability);
    this.#fill(this.isShort ? found : ranked);
    const rest = ranked.slice(MOST_BARS);
    this.others.hidden = rest.length === 0;
    this.others.textContent = `${count(rest.length, "other class", "other classes")} together ${percent(sumOf(rest))}`;
    const [first, second] = ranked;
    const name = String(this.classes[first.position]);
    this.best.replaceChildren(element("strong", "label", name), element("span", "share", percent(first.probability)));
    const next = `next ${this.classes[second.position]}, ${percent(second.probability)}`;
    this.#speak(`${name}, ${percent(first.probability)}; ${next}`);
    return ranked.map((one) => one.position);
  }

  #fill(entries) {
    const highest = Math.max(...entries.map((entry) => entry.probability ?? 0));
    [...this.body.rows].forEach((row, place) => {
      const { position, probability } = entries[place];
      const [label, bar, number] = row.cells;
      label.textContent = label.title = this.classes[position];
      bar.firstChild.style.width = `${100 * (probability ?? 0)}%`;
      number.textContent = probability === null ? "" : percent(probability);
      row.classList.toggle("first", probability !== null && probability === highest);
    });
  }

  #speak(words) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.spoken.textContent !== words) this.spoken.textContent = words;
    }, SPEAK_AFTER);
  }
}

function sumOf(entries) {
  return entries.reduce((sum, entry) => sum + entry.probability, 0);
}

function emptyRow() {
  const row = document.createElement("tr");
  const label = document.createElement("th");
  label.scope = "row";
  const bar = element("td", "track");
  bar.append(element("div", "bar"));
  row.append(label, bar, element("td", "number"));
  return row;
}

export function element(name, kind, words = "") {
  const made = document.createElement(name);
  made.className = kind;
  made.textContent = words;
  return made;
}
