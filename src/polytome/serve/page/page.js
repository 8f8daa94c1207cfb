// The page of the server: asks for the model, builds its input, and shows an answer to whatever is put in.

import { Flips, MOST_FLIPS } from "./flips.js";
import { count, listed } from "./format.js";
import { PictureInput, PictureReasons } from "./picture.js";
import { Probabilities } from "./probabilities.js";
import { Refused, ask, newestOnly } from "./server.js";
import { TableInput, TableReasons } from "./table.js";
import { hideTrouble, showTrouble } from "./trouble.js";
import { Pair, sumsOf } from "./why.js";

class Page {
  constructor(model) {
    const isPicture = model.image_shape !== null;
    const Input = isPicture ? PictureInput : TableInput;
    this.model = model;
    this.update = newestOnly((_, isNewest) => this.#answer(isNewest));
    this.probabilities = new Probabilities(model.classes);
    this.pair = new Pair(model.classes, () => this.update());
    this.input = new Input(model, () => this.update());
    this.reasons = isPicture ? new PictureReasons(model) : new TableReasons(model, this.input);
    this.flips = isPicture ? null : new Flips(this.input);
    document.querySelector("#input-heading").textContent = this.input.heading;
    document.querySelector("#bench").hidden = false;
    this.update();
  }

  async #answer(isNewest) {
    if (this.input.isEmpty) this.#rest();
    const question = await this.input.question();
    document.querySelector("#older").hidden = question !== null || this.input.isEmpty;
    if (question === null) return; // the input says why, and the last good answer stays
    try {
      const answer = await ask("/predict", question);
      if (this.input.isEmpty) return; // wiped meanwhile
      if (String(answer.classes) !== String(this.model.classes)) throw new Refused(409, CHANGED);
      this.pair.follow(this.probabilities.show(answer.probabilities[0]));
      if (isNewest()) await this.#explain(question);
      hideTrouble();
    } catch (error) {
      if (error.status === 422 && this.input.refused(error.message)) return;
      showTrouble(error, () => this.update());
    }
  }

  #rest() {
    this.probabilities.rest(this.input.waiting);
    document.querySelector("#why").hidden = true;
  }

  async #explain(question) {
    const { chosen } = this.pair;
    document.querySelector("#same-class").hidden = chosen !== null;
    if (chosen === null) return;
    const [label, other] = chosen.map((position) => String(this.model.classes[position]));
    const wanted = new URLSearchParams({ of: label, against: other, most_flips: MOST_FLIPS });
    const explanation = await ask(`/explain?${wanted}`, question);
    this.reasons.show(explanation, sumsOf(explanation), label, other);
    document.querySelector("#why").hidden = this.input.isEmpty;
    const [row] = explanation.rows;
    this.flips?.show(row.flips, String(row.prediction));
  }
}

const CHANGED = "The server now has another model, with other classes. Reload this page to use it.";

function introduce(model) {
  const { certificate } = model;
  const name = model.name.replace(/\.safetensors$/, "");
  document.title = `${name} - Polytome`;
  document.querySelector("#name").textContent = name;
  const kind = model.classes.length === 2 ? "Logistic" : "Softmax";
  const { rows, source } = model.trained_on;
  const inputs = model.image_shape
    ? `in images of ${model.image_shape.join(" \u00d7 ")} pixels`
    : model.features.every((feature) => feature.kind === "text")
      ? "by the words of a text"
      : `by ${count(model.features.length, "feature")}`;
  const origin = source === null ? "" : ` of ${source.split(/[\\/]/).at(-1)}`;
  document.querySelector("#facts").textContent =
    `${kind} regression. It distinguishes ${listed(model.classes)} ${inputs}, ` +
    `and was trained on ${count(rows, "row")}${origin}.`;
  const sentence = document.querySelector("#certificate");
  sentence.textContent = certificate.sentence;
  sentence.classList.toggle("holds", certificate.holds);
  sentence.hidden = false;
}

async function start() {
  try {
    const model = await ask("/model");
    hideTrouble();
    introduce(model);
    new Page(model);
  } catch (error) {
    document.querySelector("#facts").textContent = "";
    showTrouble(error, start);
  }
}

start();
