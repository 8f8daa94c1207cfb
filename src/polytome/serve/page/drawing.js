// A sheet to draw on, with mouse, pen, finger or keyboard, or to put a picture on.

const PEN = 0.075; // of the sheet's width: as thick as the digits of MNIST are after they have been scaled
const STEP = 0.02;
const LARGEST_SIDE = 1024; // pixels of a picture that is sent

export class Drawing {
  /**
   * @param canvas the sheet
   * @param aspect its width divided by its height
   * @param changed called whenever something else is on the sheet
   * @param said called with what the keyboard's pen does
   */
  constructor(canvas, aspect, changed, said) {
    this.canvas = canvas;
    this.changed = changed;
    this.said = said;
    this.items = []; // strokes, pictures and clearings in order; what was last cleared or covered is not shown
    this.pen = { x: 0.5, y: 0.5, down: false, shown: false };
    canvas.width = 640;
    canvas.height = Math.round(640 / aspect);
    this.height = canvas.height / canvas.width;
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#showPen(false));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
    this.paint();
  }

  /** What is on the sheet: one picture, or strokes. */
  get visible() {
    const from = this.items.findLastIndex((item) => item.kind !== "stroke");
    if (from >= 0 && from === this.items.length - 1 && this.items[from].kind === "picture") return [this.items[from]];
    return this.items.slice(from + 1);
  }

  get isEmpty() {
    return this.visible.length === 0;
  }

  undo() {
    if (this.items.pop() !== undefined) this.#altered();
  }

  clear() {
    if (this.isEmpty) return;
    this.items.push({ kind: "cleared" });
    this.#altered();
  }

  /** Put a picture on the sheet; fails where the file is none. */
  async show(file) {
    const image = await createImageBitmap(file);
    this.items.push({ kind: "picture", image });
    this.#altered();
  }

  /** What is on the sheet as a PNG file, black on white whatever the colours of the page. */
  async png() {
    const [first] = this.visible;
    const copy = document.createElement("canvas");
    if (first.kind === "picture") {
      const scale = Math.min(1, LARGEST_SIDE / Math.max(first.image.width, first.image.height));
      copy.width = Math.max(1, Math.round(first.image.width * scale));
      copy.height = Math.max(1, Math.round(first.image.height * scale));
    } else {
      copy.width = this.canvas.width / 2;
      copy.height = this.canvas.height / 2;
    }
    const context = copy.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, copy.width, copy.height);
    if (first.kind === "picture") context.drawImage(first.image, 0, 0, copy.width, copy.height);
    else drawStrokes(context, this.visible, "black");
    return new Promise((resolve) => {
      copy.toBlob(resolve, "image/png");
    });
  }

  paint() {
    const context = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    const ink = getComputedStyle(this.canvas).color;
    context.clearRect(0, 0, width, height);
    const shown = this.visible;
    if (shown[0]?.kind === "picture") {
      const { image } = shown[0];
      const scale = Math.min(width / image.width, height / image.height);
      const [w, h] = [image.width * scale, image.height * scale];
      context.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
    } else {
      drawStrokes(context, shown, ink);
    }
    if (this.pen.shown) this.#drawPen(context, ink);
  }

  #altered() {
    this.pen.down = false;
    this.paint();
    this.changed();
  }

  #press(event) {
    if (event.button !== 0) return;
    this.#showPen(false);
    const { canvas } = this;
    const stroke = { kind: "stroke", points: [this.#place(event)] };
    const move = (moved) => {
      if (moved.pointerId !== event.pointerId) return;
      for (const one of moved.getCoalescedEvents?.() ?? [moved]) stroke.points.push(this.#place(one));
      this.paint();
      this.changed();
    };
    const end = (ended) => {
      if (ended.pointerId !== event.pointerId) return;
      for (const name of ["pointerup", "pointercancel"]) canvas.removeEventListener(name, end);
      canvas.removeEventListener("pointermove", move);
    };
    canvas.setPointerCapture(event.pointerId);
    canvas.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);
    this.items.push(stroke);
    this.#altered();
  }

  /** Where a pointer is, in widths of the sheet. */
  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: ((event.clientY - box.top) / box.height) * this.height };
  }

  #key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in moves) this.#movePen(moves[event.key], event.shiftKey ? 4 * STEP : STEP);
    else if (event.key === " ") this.#turnPen();
    else if (event.key === "Backspace" || (event.key === "z" && (event.ctrlKey || event.metaKey))) this.undo();
    else if (event.key === "Delete") this.clear();
    else return;
    event.preventDefault();
  }

  #movePen([right, down], step) {
    const { pen } = this;
    pen.x = Math.min(1, Math.max(0, pen.x + right * step));
    pen.y = Math.min(this.height, Math.max(0, pen.y + down * step));
    this.#showPen(true);
    if (!pen.down) return;
    this.items.at(-1).points.push({ x: pen.x, y: pen.y });
    this.paint();
    this.changed();
  }

  #turnPen() {
    const { pen } = this;
    const down = !pen.down;
    if (down) {
      this.items.push({ kind: "stroke", points: [{ x: pen.x, y: pen.y }] });
      this.#altered();
    }
    pen.down = down;
    this.said(down ? "Pen down" : "Pen up");
    this.#showPen(true);
  }

  #showPen(shown) {
    this.pen.shown = shown;
    if (!shown) this.pen.down = false;
    this.paint();
  }

  #drawPen(context, ink) {
    const { x, y, down } = this.pen;
    const width = this.canvas.width;
    context.beginPath();
    context.arc(x * width, y * width, (PEN * width) / 2, 0, 2 * Math.PI);
    context.globalAlpha = down ? 1 : 0.35;
    context.fillStyle = ink;
    context.fill();
    context.globalAlpha = 1;
  }
}

function drawStrokes(context, strokes, ink) {
  const { width } = context.canvas;
  context.strokeStyle = ink;
  context.lineWidth = PEN * width;
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const { points } of strokes) {
    context.beginPath();
    context.moveTo(points[0].x * width, points[0].y * width + 0.1); // a line without length would leave no dot
    for (const point of points) context.lineTo(point.x * width, point.y * width);
    context.stroke();
  }
}
