// The loss after each step, on a plain or a logarithmic scale, with what is known about its lowest value.

import { axes, line, ticks } from "./axes.js";
import { svg, text } from "./marks.js";

const roundUp = (steps) => {
  if (steps <= 10) return 10;
  const found = ticks(0, steps, 2);
  const step = found[1];
  return Math.ceil(steps / step) * step;
};

export function drawCurve(place, opening, frames, at, log) {
  const shown = frames.slice(0, at + 1);
  const lowest = opening.optimum.value;
  const base = log && lowest !== null ? lowest : 0;
  const series = [{ name: log && lowest !== null ? "loss − lowest" : "loss", kind: "loss-line", points: points(shown, "value", base) }];
  if (shown.some((frame) => "average_value" in frame)) {
    series.push({ name: "loss of the average", kind: "average", points: points(shown, "average_value", base) });
  }
  if (log && opening.has_gap) {
    series.push({ name: "gap, a proved bound", kind: "gap-line", points: points(shown, "gap", 0) });
  }
  const heights = series.flatMap((each) => each.points.map(([, height]) => height)).filter((height) => Number.isFinite(height) && (!log || height > 0));
  const upwards = log ? logRange(heights) : range(heights, lowest);
  const drawing = axes(place, {
    across: [0, roundUp(at)],
    upwards,
    acrossName: "step",
    upwardsName: log && lowest !== null ? "above the lowest" : "loss",
    log,
  });
  const { whole, inside, x, y } = drawing;
  if (!log && lowest !== null && lowest >= upwards[0]) {
    inside.append(svg("line", { class: "floor", x1: x(0), x2: x(roundUp(at)), y1: y(lowest), y2: y(lowest) }));
  }
  for (const { kind, points: some } of series) {
    const drawn = log ? some.map(([step, height]) => [step, height > 0 ? height : NaN]) : some;
    inside.append(svg("path", { class: kind, d: line(drawn, x, y) }));
  }
  const [step, height] = series[0].points[series[0].points.length - 1];
  if (Number.isFinite(y(height))) whole.append(svg("circle", { class: "now", cx: x(step), cy: y(height), r: 4.5 }));
  const first = shown[0].value;
  const last = shown[at].value;
  drawing.describe(`The loss from step 0, ${text(first)}, to step ${at}, ${text(last)}. ${opening.optimum.words}`);
  place.replaceChildren(whole);
  return series;
}

const points = (frames, name, base) =>
  frames.filter((frame) => name in frame).map((frame) => [frame.step, frame[name] === null ? NaN : frame[name] - base]);

// From zero, unless that would press the whole curve against the top.
function range(heights, lowest) {
  const all = lowest === null ? heights : [...heights, lowest];
  const low = Math.min(...all);
  const high = Math.max(...heights, 1e-12);
  const floor = low >= 0 && low < 0.7 * high ? 0 : low - 0.1 * (high - low || high);
  return [floor, high + 0.06 * (high - floor)];
}

function logRange(heights) {
  if (!heights.length) return [1e-16, 1];
  const low = Math.max(1e-17, Math.min(...heights));
  return [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(Math.max(...heights, 10 * low)))];
}
