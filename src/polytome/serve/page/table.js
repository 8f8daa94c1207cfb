// The page of a model of tables: a form with its features, and what each of them adds.

import { Field, beginning, faultIn } from "./fields.js";
import { count, decimalsFor, signed } from "./format.js";
import { element } from "./probabilities.js";
import { rowOf } from "./pasted.js";
import { hasMeans, inWords } from "./why.js";

const MOST_FIELDS = 24; // that stand below each other; of more, some are shown and the others found
const SOME_FIELDS = 12;
const MOST_REASONS = 12;

export class TableInput {
  heading = "Fill in a row";
  waiting = "Fill in a row, and the answer follows.";

  constructor(model, changed) {
    this.features = model.features;
    this.changed = changed;
    if (this.features.every((feature) => feature.kind === "text")) {
      this.heading = "Write a text";
      this.waiting = "Write a text, and the answer follows.";
    }
    this.fields = new Map();
    document.querySelector("#input").append(document.querySelector("#table-input").content.cloneNode(true));
    this.texts = this.features.map(beginning);
    this.#find("");
    this.#listen();
  }

  /** Whether there is nothing to ask about yet: a text that nobody has written. */
  get isEmpty() {
    return this.features.some((feature, place) => feature.kind === "text" && this.texts[place].trim() === "");
  }

  /** What to ask the server about; null where a value cannot be sent. */
  async question() {
    const isFaulty = this.texts.some((text, place) => faultIn(this.features[place], text) !== "");
    return isFaulty ? null : { rows: [this.row] };
  }

  get row() {
    return this.texts.map((text, place) => (this.features[place].kind === "number" ? Number(text) : text));
  }

  textOf(name) {
    return this.texts[this.#placeOf(name)] ?? "";
  }

  /** Give one feature another value, show it, and go there. */
  change(name, text) {
    const place = this.#placeOf(name);
    this.texts[place] = text;
    if (!this.fields.get(place)?.box.isConnected) {
      document.querySelector("#search").value = name;
      this.#find(name);
    }
    this.fields.get(place).show(text);
    this.fields.get(place).focus();
    this.changed();
  }

  /** The server knows better than the fields what is wrong; no place beside them is known. */
  refused() {
    return false;
  }

  /** Whether there is a field of this name; parts of a date have none. */
  has(name) {
    return this.#placeOf(name) >= 0;
  }

  /** Whether products, powers or splines are made of features. */
  get hasTerms() {
    return this.features.some((feature) => feature.in_terms);
  }

  #placeOf(name) {
    return this.features.findIndex((feature) => feature.name === name);
  }

  #listen() {
    const search = document.querySelector("#search");
    search.addEventListener("input", () => this.#find(search.value));
    document.querySelector("#finder").hidden = this.features.length <= MOST_FIELDS;
    document.querySelector("#fields").addEventListener("submit", (event) => event.preventDefault());
    document.querySelector("#reset").addEventListener("click", () => this.#replace(this.features.map(beginning)));
    document.querySelector("#take").addEventListener("click", () => this.#paste());
  }

  /** Show the fields whose names hold the words, the first few of them. */
  #find(words) {
    const wanted = words.trim().toLowerCase();
    const most = this.features.length > MOST_FIELDS ? SOME_FIELDS : MOST_FIELDS;
    const places = [];
    let matches = 0;
    this.features.forEach((feature, place) => {
      if (!feature.name.toLowerCase().includes(wanted)) return;
      matches += 1;
      if (places.length < most) places.push(place);
    });
    document.querySelector("#fields").replaceChildren(...places.map((place) => this.#fieldAt(place).box));
    const found = wanted === "" ? `${count(this.features.length, "feature")}` : `${count(matches, "feature")} found`;
    const shown = matches > most ? `, the first ${most} shown` : "";
    document.querySelector("#found").textContent = `${found}${shown}.`;
  }

  #fieldAt(place) {
    if (!this.fields.has(place)) {
      const typed = (text) => {
        this.texts[place] = text;
        this.changed();
      };
      this.fields.set(place, new Field(this.features[place], place, typed));
    }
    this.fields.get(place).show(this.texts[place]);
    return this.fields.get(place);
  }

  #replace(texts) {
    this.texts = texts;
    for (const [place, field] of this.fields) field.show(texts[place]);
    this.changed();
  }

  #paste() {
    const fault = document.querySelector("#pasted-fault");
    const found = rowOf(document.querySelector("#pasted").value, this.features);
    fault.textContent = found.fault ?? "";
    fault.hidden = found.fault === undefined;
    if (found.texts) this.#replace(found.texts);
  }
}

export class TableReasons {
  constructor(model, input) {
    const isText = model.features.every((feature) => feature.kind === "text");
    this.start = isText ? "Without any words" : hasMeans(model) ? "At the training average" : "With zeros everywhere";
    this.input = input;
    document.querySelector("#reasons").append(document.querySelector("#table-reasons").content.cloneNode(true));
  }

  show(explanation, sums, label, other) {
    const { values } = sums;
    const order = largestFirst(values.map(Math.abs), explanation.columns);
    const lines = order.slice(0, MOST_REASONS).map((place) => {
      const name = explanation.columns[place];
      return { name, value: this.input.textOf(name), adds: values[place] };
    });
    const others = order.slice(MOST_REASONS);
    if (others.length > 0) {
      const adds = others.reduce((sum, place) => sum + values[place], 0);
      lines.push({ name: count(others.length, "other feature"), value: "", adds });
    }
    lines.push({ name: this.start, value: "", adds: sums.start, kind: "start" });
    lines.push({ name: "Together", value: "", adds: sums.total, kind: "total" });
    const largest = Math.max(...lines.map((line) => Math.abs(line.adds))) || 1;
    const rows = lines.map((line) => reasonRow(line, largest));
    document.querySelector("#contributions-rows").replaceChildren(...rows);
    document.querySelector("#contributions-caption").textContent =
      `What each feature adds to the score of ${label} minus that of ${other}, their log odds.`;
    const isStart = sums.gains - sums.losses < 0.01 * Math.abs(sums.total);
    document.querySelector("#contributions-remark").textContent = isStart
      ? "Nothing is added yet to where they start from: change a value."
      : "";
    document.querySelector("#side-against").textContent = `\u2190 ${other}`;
    document.querySelector("#side-for").textContent = `${label} \u2192`;
    document.querySelector("#sum").replaceChildren(inWords(label, other, sums, this.start));
  }
}

/** Places of sizes, the largest first; those equal to rounding are ordered by name, as `polytome.evaluation.ordering` does it. */
export function largestFirst(sizes, names) {
  const order = sizes.map((_, place) => place).sort((a, b) => sizes[b] - sizes[a]);
  const groups = [];
  order.reduce((before, place) => {
    const apart = sizes[place] < sizes[before] * (1 - 1e-9) && sizes[before] > 1e-12 * sizes[order[0]];
    groups[place] = (groups[before] ?? 0) + Number(apart);
    return place;
  }, order[0]);
  return order.sort((a, b) => groups[a] - groups[b] || (names[a] < names[b] ? -1 : 1));
}

function reasonRow({ name, value, adds, kind = "" }, largest) {
  const row = element("tr", kind);
  const heading = element("th", "", name);
  heading.scope = "row";
  const bars = element("td", "diverging");
  const bar = element("div", adds < 0 ? "bar against" : "bar for");
  bar.style.width = `${(50 * Math.abs(adds)) / largest}%`;
  bars.append(bar);
  const number = signed(adds, decimalsFor(largest));
  row.append(heading, element("td", "number", value), element("td", "number", number), bars);
  return row;
}
