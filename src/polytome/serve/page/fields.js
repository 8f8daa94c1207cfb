// One feature of a table as something to fill in: a number with its range, a choice of levels, a date, or a text.

import { listed, onGrid, short, stepIn } from "./format.js";
import { element } from "./probabilities.js";

const DATE = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?$/;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

/** What a field begins with: the mean of the training data, a category's most frequent level, or nothing. */
export function beginning(feature) {
  if (feature.kind === "text") return "";
  if (feature.kind === "category") return feature.usual ?? feature.levels[0];
  if (feature.kind === "date") return feature.usual;
  return feature.mean === null ? "0" : onGrid(feature.mean, stepOf(feature));
}

/** What is wrong with a text as the value of a feature; empty where nothing is. */
export function faultIn(feature, text) {
  if (feature.kind === "text") return text.trim() === "" ? "Needs a text." : "";
  if (feature.kind === "category") {
    const isKnown = feature.levels.includes(text);
    return isKnown ? "" : `\u201c${text}\u201d is not one of its levels: ${listed(feature.levels, 8)}.`;
  }
  const trimmed = text.trim();
  if (feature.kind === "date") return DATE.test(trimmed) ? "" : `Needs a date, such as ${feature.usual}.`;
  if (trimmed === "") return `Needs a number, such as ${beginning(feature)}.`;
  if (/^[-+]?\d+,\d+$/.test(trimmed)) return `Write it with a decimal point: ${trimmed.replace(",", ".")}.`;
  if (!NUMBER.test(trimmed)) return `\u201c${trimmed}\u201d is not a number; write one such as ${beginning(feature)}.`;
  return Number.isFinite(Number(trimmed)) ? "" : `${trimmed} is too large.`;
}

export class Field {
  /** @param typed called with the text whenever the user changes it */
  constructor(feature, place, typed) {
    this.feature = feature;
    const id = `feature-${place}`;
    this.box = element("div", `field of-${feature.kind}`);
    const label = element("label", "", feature.name);
    label.htmlFor = id;
    this.control = controlOf(feature);
    this.control.id = id;
    this.control.setAttribute("aria-describedby", `${id}-note`);
    this.note = element("p", "note");
    this.note.id = `${id}-note`;
    this.control.addEventListener("input", () => this.#changed(this.control.value, typed));
    this.box.append(label, this.control);
    if (feature.kind === "number" && feature.low !== null && feature.high > feature.low) {
      this.slider = sliderOf(feature);
      this.slider.addEventListener("input", () => {
        this.control.value = onGrid(Number(this.slider.value), stepOf(feature));
        this.#changed(this.control.value, typed);
      });
      this.box.append(this.slider);
    }
    this.box.append(this.note);
  }

  show(text) {
    this.control.value = text;
    this.#judge(text);
  }

  focus() {
    this.control.focus();
  }

  #changed(text, typed) {
    this.#judge(text);
    typed(text);
  }

  #judge(text) {
    const fault = faultIn(this.feature, text);
    this.note.textContent = fault || this.#remark(Number(text));
    const isWrong = fault !== "" && this.feature.kind !== "text"; // a text that is not there yet is not wrong
    this.note.classList.toggle("error", isWrong);
    this.control.setAttribute("aria-invalid", String(isWrong));
    if (this.slider && fault === "") this.slider.value = text;
  }

  #remark(value) {
    const { kind, low, high } = this.feature;
    if (kind === "date") return `What counts: ${listed(this.feature.parts, 8)}.`;
    if (kind !== "number" || low === null) return "";
    const range = low === high ? `always ${short(low)}` : `${short(low)} to ${short(high)}`;
    const isOutside = value < low || value > high;
    this.note.classList.toggle("outside", isOutside);
    return isOutside ? `Outside the range in training, ${range}.` : range;
  }
}

/** The distance of values that the form offers; 0 where the range is unknown. */
function stepOf(feature) {
  return feature.low === null ? 0 : stepIn(feature.low, feature.high);
}

function controlOf(feature) {
  if (feature.kind === "category") {
    const select = document.createElement("select");
    select.append(...feature.levels.map((level) => new Option(level, level)));
    return select;
  }
  if (feature.kind === "text") return document.createElement("textarea");
  const input = document.createElement("input");
  if (feature.kind === "date") {
    input.type = feature.parts.includes("hour") ? "datetime-local" : "date";
    return input;
  }
  input.inputMode = "decimal";
  input.autocomplete = "off";
  input.spellcheck = false;
  return input;
}

function sliderOf(feature) {
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = feature.low;
  slider.max = feature.high;
  slider.step = "any"; // the ends can be reached whatever the grid is
  slider.setAttribute("aria-label", `${feature.name}, slider`);
  return slider;
}
