// The page of a model of images: the sheet, what the model saw of it, and what each pixel adds.

import { Drawing } from "./drawing.js";
import { short } from "./format.js";
import { hasMeans, inWords } from "./why.js";

const MAP_SIDE = 672; // pixels of the screen, roughly

export class PictureInput {
  heading = "Draw, or choose a picture";
  waiting = "Draw something, and the answer follows the pen.";

  constructor(model, changed) {
    const [height, width] = model.image_shape;
    document.querySelector("#input").append(document.querySelector("#picture-input").content.cloneNode(true));
    this.fault = document.querySelector("#input-fault");
    const pen = document.querySelector("#pen");
    this.drawing = new Drawing(
      document.querySelector("#sheet"),
      width / height,
      () => {
        this.fault.hidden = true;
        this.#update();
        changed();
      },
      (words) => {
        pen.textContent = words;
      },
    );
    this.#listen();
  }

  get isEmpty() {
    return this.drawing.isEmpty;
  }

  /** What to ask the server about; null while the sheet is empty. */
  async question() {
    return this.isEmpty ? null : this.drawing.png();
  }

  /** Say beside the sheet what is wrong with what is on it. */
  refused(words) {
    this.fault.textContent = words;
    this.fault.hidden = false;
    return true;
  }

  #update() {
    const { drawing } = this;
    document.querySelector("#invitation").hidden = !drawing.isEmpty;
    document.querySelector("#undo").disabled = drawing.items.length === 0;
    document.querySelector("#clear").disabled = drawing.isEmpty;
  }

  #listen() {
    const { drawing } = this;
    const file = document.querySelector("#file");
    document.querySelector("#undo").addEventListener("click", () => drawing.undo());
    document.querySelector("#clear").addEventListener("click", () => drawing.clear());
    document.querySelector("#choose").addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      this.#take(file.files);
      file.value = ""; // the same file can be chosen again
    });
    document.addEventListener("paste", (event) => {
      if (event.clipboardData.files.length > 0) this.#take(event.clipboardData.files);
    });
    const sheet = document.querySelector("#sheet");
    for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
    document.addEventListener("dragover", () => sheet.classList.add("wanted"));
    for (const name of ["dragleave", "drop"]) document.addEventListener(name, () => sheet.classList.remove("wanted"));
    document.addEventListener("drop", (event) => this.#take(event.dataTransfer.files));
  }

  async #take([file]) {
    if (file === undefined) return;
    try {
      await this.drawing.show(file);
    } catch {
      this.refused(`${file.name} is not a picture that this browser can read; choose a PNG or JPEG file.`);
    }
  }
}

export class PictureReasons {
  constructor(model) {
    [this.height, this.width] = model.image_shape;
    this.full = model.full;
    this.pixel = Math.max(1, Math.round(MAP_SIDE / Math.max(this.width, this.height)));
    this.start = hasMeans(model) ? "For the average training image" : "For an empty image";
    document.querySelector("#reasons").append(document.querySelector("#picture-reasons").content.cloneNode(true));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      if (this.shown) this.show(...this.shown);
    });
  }

  show(explanation, sums, label, other) {
    this.shown = [explanation, sums, label, other];
    const colour = colours();
    const seen = explanation.seen.flat();
    this.#paint("#seen", seen, (value) => mixed(colour.paper, colour.ink, value / this.full));
    const largest = sums.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
    this.#paint("#map", sums.values, (value) =>
      mixed(colour.paper, value > 0 ? colour.for : colour.against, Math.abs(value) / largest),
    );
    this.#outline("#map", seen, colour.ink);
    const size = `${this.width} \u00d7 ${this.height} pixels`;
    document.querySelector("#seen-words").textContent = `What the model saw: ${size}`;
    document.querySelector("#map-words").textContent = `What each pixel adds, ${label} against ${other}`;
    document.querySelector("#legend-against").textContent = `${short(-largest)} for ${other}`;
    document.querySelector("#legend-for").textContent = `+${short(largest)} for ${label}`;
    document.querySelector("#sum").replaceChildren(inWords(label, other, sums, this.start));
  }

  #paint(name, values, colourOf) {
    const { pixel } = this;
    const canvas = document.querySelector(name);
    canvas.width = this.width * pixel;
    canvas.height = this.height * pixel;
    const context = canvas.getContext("2d");
    values.forEach((value, place) => {
      context.fillStyle = `rgb(${colourOf(value).join(" ")})`;
      context.fillRect((place % this.width) * pixel, Math.floor(place / this.width) * pixel, pixel, pixel);
    });
  }

  /** A line between pixels with ink and pixels without. */
  #outline(name, seen, ink) {
    const { pixel } = this;
    const context = document.querySelector(name).getContext("2d");
    const isInside = (x, y) => x >= 0 && x < this.width && y >= 0 && y < this.height;
    const isInk = (x, y) => isInside(x, y) && 2 * seen[y * this.width + x] > this.full;
    context.beginPath();
    for (let y = 0; y <= this.height; y += 1) {
      for (let x = 0; x <= this.width; x += 1) {
        const [left, top] = [x * pixel, y * pixel];
        if (isInk(x, y) !== isInk(x - 1, y)) drawLine(context, left, top, left, top + pixel);
        if (isInk(x, y) !== isInk(x, y - 1)) drawLine(context, left, top, left + pixel, top);
      }
    }
    context.strokeStyle = `rgb(${ink.join(" ")} / 70%)`;
    context.lineWidth = pixel / 8;
    context.lineCap = "round";
    context.stroke();
  }
}

function drawLine(context, fromX, fromY, toX, toY) {
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
}

/** The colours of the page, which differ in the dark. */
function colours() {
  const style = getComputedStyle(document.documentElement);
  const found = {};
  for (const name of ["paper", "ink", "for", "against"]) {
    const digits = style.getPropertyValue(`--map-${name}`).trim().slice(1);
    found[name] = [0, 2, 4].map((from) => Number.parseInt(digits.slice(from, from + 2), 16));
  }
  return found;
}

function mixed(from, to, share) {
  return from.map((channel, place) => Math.round(channel + (to[place] - channel) * share));
}
