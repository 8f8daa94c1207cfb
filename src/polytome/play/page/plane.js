// The points and what the model says about the plane; with one feature, its curves over that feature.

import { axes, line } from "./axes.js";
import { mark, ownColour, shape, svg } from "./marks.js";

const LANE = 0.07;

export function drawPlane(place, opening, frame) {
  const { whole, describe } = opening.window ? plane(place, opening, frame) : curves(place, opening, frame);
  describe(describePlane(opening, frame));
  place.replaceChildren(whole);
}

function plane(place, opening, frame) {
  const [left, right, bottom, top] = opening.window;
  const names = opening.features.map((name) => (opening.unit ? `${name}, standardised` : name));
  const drawing = axes(place, { across: [left, right], upwards: [bottom, top], acrossName: names[0], upwardsName: names[1] });
  const { inside, x, y } = drawing;
  frame.regions.forEach((corners, code) => {
    if (!corners.length) return;
    inside.append(svg("path", { class: `region ${ownColour(code)}`, d: `${line(corners, x, y)}Z` }));
    inside.append(svg("path", { class: "edge", d: `${line(corners, x, y)}Z` }));
  });
  for (const ends of frame.lines || []) inside.append(svg("path", { class: "odds", d: line(ends, x, y) }));
  const at = (row) => [x(opening.points[row][0]), y(opening.points[row][1])];
  drawPoints(inside, opening, frame, at);
  return drawing;
}

function curves(place, opening, frame) {
  const { grid, points, n_outputs: outputs } = opening;
  const several = outputs > 1;
  const values = opening.targets.length ? opening.targets : frame.curves.flat().filter((value) => value !== null);
  const low = opening.targets.length ? Math.min(0, ...values) : Math.max(-0.6, Math.min(0, ...values));
  const high = opening.targets.length ? 1.15 * Math.max(...values) : Math.min(1.6, Math.max(1, ...values));
  const floor = several ? -LANE * (opening.classes.length + 0.6) : low - 0.08 * (high - low);
  const drawing = axes(place, {
    across: [grid[0], grid[grid.length - 1]],
    upwards: [floor, high + 0.06 * (high - low)],
    acrossName: opening.features[0] + (opening.unit ? ", standardised" : ""),
    upwardsName: opening.target_name || "ŷ",
  });
  const { inside, x, y } = drawing;
  frame.curves.forEach((curve, output) => {
    const code = several ? output : 1;
    const path = line(curve.map((value, k) => [grid[k], value === null ? NaN : value]), x, y);
    inside.append(svg("path", { class: `model ${ownColour(code)}`, d: path }));
  });
  if (!several && !opening.targets.length) {
    inside.append(svg("line", { class: "floor", x1: x(grid[0]), x2: x(grid[grid.length - 1]), y1: y(0.5), y2: y(0.5) }));
  }
  const height = (row) => {
    if (opening.targets.length) return opening.targets[row];
    return several ? -LANE * (opening.codes[row] + 0.7) : opening.codes[row];
  };
  drawPoints(inside, opening, frame, (row) => [x(points[row][0]), y(height(row))]);
  return drawing;
}

function drawPoints(inside, opening, frame, at) {
  const radius = opening.points.length > 300 ? 3 : opening.points.length > 20 ? 4.4 : 6;
  const wrong = new Set(frame.wrong || []);
  opening.points.forEach((_, row) => {
    inside.append(mark(opening.codes.length ? opening.codes[row] : 0, ...at(row), radius, wrong.has(row)));
  });
  const used = (frame.update && frame.update.rows) || [];
  for (const row of used) {
    const [a, b] = at(row);
    inside.append(svg("circle", { class: "in-use", cx: a, cy: b, r: radius + 4 }));
  }
}

export function describePlane(opening, frame) {
  const what = `${opening.points.length} points`;
  if (!opening.classes.length) return `${what} and the line that the model has found.`;
  const wrong = frame.wrong ? frame.wrong.length : opening.points.length;
  const shares = opening.window
    ? frame.regions.map((corners, code) => `${opening.classes[code]} ${share(corners, opening.window)} %`).join(", ")
    : "";
  const right = `${opening.points.length - wrong} of ${what} are in their class.`;
  return shares ? `${right} Shares of the plane: ${shares}.` : right;
}

function share(corners, [left, right, bottom, top]) {
  let twice = 0;
  corners.forEach(([x, y], k) => {
    const [a, b] = corners[(k + 1) % corners.length];
    twice += x * b - a * y;
  });
  return Math.round((50 * Math.abs(twice)) / ((right - left) * (top - bottom)));
}

export function drawKey(place, opening, frame) {
  const entries = opening.classes.map((name, code) => {
    const sample = svg("svg", { viewBox: "-7 -7 14 14", "aria-hidden": "true" }, svg("path", { class: `sample ${ownColour(code)}`, d: shape(code, 5) }));
    return [sample, name];
  });
  if (opening.classes.length) {
    const hollow = svg("path", { class: "sample hollow", d: shape(0, 4.5) });
    entries.push([svg("svg", { viewBox: "-7 -7 14 14", "aria-hidden": "true" }, hollow), "hollow: in a wrong class"]);
  }
  if (frame.update && frame.update.rows) {
    const ring = svg("circle", { class: "in-use", r: 5 });
    entries.push([svg("svg", { viewBox: "-7 -7 14 14", "aria-hidden": "true" }, ring), "ringed: used in this step"]);
  }
  if (frame.lines) {
    const dashes = svg("line", { class: "odds", x1: 0, x2: 26, y1: 7, y2: 7 });
    entries.push([svg("svg", { viewBox: "0 0 26 14", class: "line", "aria-hidden": "true" }, dashes), "ŷ = 0.1 and 0.9"]);
  }
  place.replaceChildren(
    ...entries.map(([sample, name]) => {
      const item = document.createElement("li");
      item.append(sample, name);
      return item;
    }),
  );
}
