// A drawing with two axes: where numbers lie, ticks at round numbers, names, and a clip around what is drawn.

import { exponent, svg, text } from "./marks.js";

let drawings = 0;

function niceStep(span, most) {
  const rough = span / most;
  const base = 10 ** Math.floor(Math.log10(rough));
  return base * [1, 2, 5, 10].find((factor) => base * factor >= rough * 0.999);
}

export function ticks(low, high, most) {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const step = niceStep(span, most);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * span; k += 1) found.push(Number((k * step).toPrecision(12)));
  return found;
}

function powers(low, high, most) {
  const from = Math.ceil(Math.log10(low));
  const to = Math.floor(Math.log10(high));
  const every = Math.max(1, Math.ceil((to - from + 1) / most));
  const found = [];
  for (let k = Math.ceil(from / every) * every; k <= to; k += every) found.push(10 ** k);
  return found;
}

// `across` and `upwards` are [low, high]; the answer knows positions, and draws into `inside`, which is clipped.
export function axes(place, { across, upwards, acrossName, upwardsName, log = false, ratio = 0.72, marksUpwards = null }) {
  const width = Math.max(240, place.clientWidth || 400);
  const height = Math.round(width * ratio);
  const left = 52;
  const bottom = height - 40;
  const right = width - 10;
  const top = 10;
  const toY = log ? Math.log10 : (y) => y;
  const [low, high] = upwards.map(toY);
  const x = (value) => left + ((value - across[0]) / (across[1] - across[0])) * (right - left);
  const y = (value) => bottom - ((toY(value) - low) / (high - low)) * (bottom - top);
  drawings += 1;
  const clip = `clip-${drawings}`;
  const grid = svg("g");
  for (const value of ticks(...across, width / 75)) {
    grid.append(svg("line", { class: "grid", x1: x(value), x2: x(value), y1: top, y2: bottom }));
    grid.append(svg("text", { x: x(value), y: bottom + 16, "text-anchor": "middle" }, text(value, 6)));
  }
  const rungs = marksUpwards || (log ? powers(...upwards, 7).map((value) => [value, `10${exponent(Math.round(Math.log10(value)))}`]) : ticks(...upwards, height / 55).map((value) => [value, text(value, 6)]));
  for (const [value, label] of rungs) {
    grid.append(svg("line", { class: "grid", x1: left, x2: right, y1: y(value), y2: y(value) }));
    grid.append(svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, label));
  }
  const middle = (top + bottom) / 2;
  const inside = svg("g", { "clip-path": `url(#${clip})` });
  const whole = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img" },
    svg("title"),
    svg("defs", {}, svg("clipPath", { id: clip }, svg("rect", { x: left, y: top, width: right - left, height: bottom - top }))),
    grid,
    inside,
    svg("rect", { class: "frame", x: left, y: top, width: right - left, height: bottom - top }),
    svg("text", { class: "name", x: (left + right) / 2, y: height - 6, "text-anchor": "middle" }, shortened(acrossName, right - left)),
    svg("text", { class: "name", x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` }, shortened(upwardsName, bottom - top)),
  );
  const describe = (words) => {
    whole.firstChild.textContent = words;
  };
  // From a place in the window to the two numbers there; null outside the frame.
  const at = (clientX, clientY) => {
    const box = whole.getBoundingClientRect();
    const a = (((clientX - box.left) / box.width) * width - left) / (right - left);
    const b = (bottom - ((clientY - box.top) / box.height) * height) / (bottom - top);
    if (a < 0 || a > 1 || b < 0 || b > 1) return null;
    return [across[0] + a * (across[1] - across[0]), upwards[0] + b * (upwards[1] - upwards[0])];
  };
  return { whole, inside, x, y, at, describe };
}

const LETTER = 6.7; // pixels, on average

function shortened(name, pixels) {
  const most = Math.floor(pixels / LETTER);
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}

export function line(points, x, y) {
  let pen = "M";
  let path = "";
  for (const [across, upwards] of points) {
    const [a, b] = [x(across), y(upwards)];
    if (Number.isFinite(a) && Number.isFinite(b)) {
      path += `${pen}${clamp(a)} ${clamp(b)}`;
      pen = "L";
    }
  }
  return path;
}

// Browsers draw nothing where a coordinate is enormous.
const clamp = (value) => Math.round(100 * Math.max(-1e5, Math.min(1e5, value))) / 100;
