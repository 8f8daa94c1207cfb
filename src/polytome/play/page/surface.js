// The loss over two parameters as contours, and the path of the run on it.

import { axes, line } from "./axes.js";
import { svg, text } from "./marks.js";

const MOST_NAMED = 7;

// Where the loss passes a level: straight pieces through each cell of the grid (marching squares).
function contour({ x, y, values }, level) {
  const pieces = [];
  for (let j = 0; j + 1 < y.length; j += 1) {
    for (let i = 0; i + 1 < x.length; i += 1) {
      const corners = [
        [x[i], y[j], values[j][i]],
        [x[i + 1], y[j], values[j][i + 1]],
        [x[i + 1], y[j + 1], values[j + 1][i + 1]],
        [x[i], y[j + 1], values[j + 1][i]],
      ];
      const crossings = [];
      corners.forEach(([a, b, here], k) => {
        const [c, d, there] = corners[(k + 1) % 4];
        if (here === null || there === null || here >= level === there >= level) return;
        const share = (level - here) / (there - here);
        crossings.push([a + share * (c - a), b + share * (d - b)]);
      });
      for (let k = 0; k + 1 < crossings.length; k += 2) pieces.push([crossings[k], crossings[k + 1]]);
    }
  }
  return pieces;
}

// The same lines serve every step until the surface or the width changes.
function contours(place, surface, x, y) {
  if (surface.drawn && surface.drawnWidth === place.clientWidth) return surface.drawn;
  surface.drawnWidth = place.clientWidth;
  surface.drawn = surface.levels.map((level, k) => {
    const d = contour(surface, level).map((piece) => line(piece, x, y)).join("");
    return svg("path", { class: "contour", d, "stroke-opacity": (0.95 - (0.6 * k) / surface.levels.length).toFixed(2) });
  });
  return surface.drawn;
}

const entry = (coefficients, position) => coefficients.flat()[position];

export function drawSurface(place, opening, frames, at, surface, view) {
  const pair = [view.across, view.upwards];
  const [left, right] = [surface.x[0], surface.x[surface.x.length - 1]];
  const [bottom, top] = [surface.y[0], surface.y[surface.y.length - 1]];
  const drawing = axes(place, { across: [left, right], upwards: [bottom, top], acrossName: surface.names[0], upwardsName: surface.names[1] });
  const { whole, inside, x, y } = drawing;
  inside.append(...contours(place, surface, x, y));
  const spot = (coefficients) => pair.map((position) => entry(coefficients, position));
  const path = frames.slice(0, at + 1).map((frame) => spot(frame.coefficients));
  const averages = frames.slice(0, at + 1).filter((frame) => frame.average).map((frame) => spot(frame.average));
  inside.append(svg("path", { class: averages.length ? "path quietly" : "path", d: line(path, x, y) }));
  if (path.length <= 120) {
    for (const [a, b] of path) {
      if (a !== null && b !== null) inside.append(svg("circle", { class: "step", cx: x(a), cy: y(b), r: 2.2 }));
    }
  }
  if (averages.length) inside.append(svg("path", { class: "average", d: line(averages, x, y) }));
  const best = opening.optimum.coefficients && spot(opening.optimum.coefficients);
  if (best) inside.append(svg("path", { class: "best", d: "M-5 -5L5 5M-5 5L5 -5", transform: `translate(${x(best[0])} ${y(best[1])})` }));
  const first = path[0];
  inside.append(svg("circle", { class: "first", cx: x(first[0]), cy: y(first[1]), r: 4.5 }));
  const now = path[path.length - 1];
  if (now[0] !== null && now[1] !== null) inside.append(svg("circle", { class: "now", cx: x(now[0]), cy: y(now[1]), r: 5.5 }));
  const words = describeSurface(opening, frames[at], surface, view, pair, best, averages.length > 0);
  drawing.describe(words.alternative);
  place.replaceChildren(whole);
  return { shown: words.shown, at: drawing.at };
}

function describeSurface(opening, frame, surface, view, pair, best, averaged) {
  const others = opening.parameters.map((name, position) => [name, position]).filter(([, position]) => !pair.includes(position));
  const held = surface.heldAt.flat();
  const few = others.length <= MOST_NAMED;
  const values = few ? `: ${others.map(([name, position]) => `${name} = ${text(held[position], 3)}`).join(", ")}` : "";
  const how = view.held === "optimal" ? "optimal" : "current";
  const parts = ["○ start, ● now", ...(best ? ["× lowest point"] : []), ...(averaged ? ["dashed: average of the steps"] : [])];
  const shown = `${parts.join(", ")}. ${others.length ? `Contours of the loss with the other parameters held at their ${how} values${values}.` : "Contours of the whole loss: there are no other parameters."}`;
  const [a, b] = pair.map((position) => entry(frame.coefficients, position));
  const where = `Now ${surface.names[0]} is ${text(a)} and ${surface.names[1]} is ${text(b)}`;
  const goal = best ? `; the lowest point is at ${text(best[0])} and ${text(best[1])}.` : ".";
  return { shown: `${shown} Click to start there.`, alternative: `Contours of the loss and the path of the parameters. ${where}${goal}` };
}

// The part of the plane of two parameters that the run has visited so far.
export function pathBox(frames, at, view) {
  const box = [
    [Infinity, -Infinity],
    [Infinity, -Infinity],
  ];
  for (const frame of frames.slice(0, at + 1)) {
    [view.across, view.upwards].forEach((position, axis) => {
      const value = entry(frame.coefficients, position);
      if (value === null || Math.abs(value) > 1e11) return;
      box[axis] = [Math.min(box[axis][0], value), Math.max(box[axis][1], value)];
    });
  }
  return box;
}
