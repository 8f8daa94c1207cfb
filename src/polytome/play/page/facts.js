// How a run goes, in words and numbers.

import { text } from "./marks.js";

const ROUNDING = 1e-16; // a smaller gap cannot be distinguished from 0

// A run that has once gone astray stays so, unless it comes back below its start.
export function showVerdict(place, frames, at) {
  const frame = frames[at];
  const astray = frames.slice(0, at + 1).find((each) => each.state === "diverged");
  const back = frame.value !== null && frame.value < frames[0].value;
  const diverged = astray && !back;
  place.dataset.state = diverged ? "diverged" : frame.state;
  place.textContent = diverged && frame.state !== "diverged" ? `${astray.words} (That was step ${astray.step}.)` : frame.words;
}

export function showFacts(place, opening, frame) {
  const n = opening.points.length;
  const facts = [["Loss", text(frame.value, 6)]];
  if (opening.optimum.value !== null) facts.push(["Lowest value", text(opening.optimum.value, 6)]);
  if (opening.has_gap) facts.push(["Gap, proved", frame.gap === null ? "none yet" : `at most ${text(roundedUp(Math.max(frame.gap, ROUNDING)), 3)}`]);
  if ("average_value" in frame) facts.push(["Loss of the average", text(frame.average_value, 6)]);
  if (opening.classes.length) facts.push(["In their class", `${frame.wrong ? n - frame.wrong.length : 0} of ${n}`]);
  facts.push(["Passes over the data", text(frame.passes, 4)]);
  place.replaceChildren(
    ...facts.map(([name, value]) => {
      const pair = document.createElement("div");
      const [term, definition] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      definition.textContent = value;
      pair.append(term, definition);
      return pair;
    }),
  );
}

// Three digits that are no smaller than the bound.
function roundedUp(bound) {
  const nearest = Number(bound.toPrecision(3));
  return nearest >= bound ? nearest : Number((bound * 1.0051).toPrecision(3));
}

export function nameSeries(series, opening, log) {
  const looks = { "loss-line": "solid", average: "dashed", "gap-line": "dotted" };
  const named = series.map(({ name, kind }) => `${looks[kind]}: ${name}`).join(", ");
  const floor = !log && opening.optimum.value !== null ? ", level line: the lowest value" : "";
  return `${named[0].toUpperCase()}${named.slice(1)}${floor}. ${opening.optimum.words}`;
}

export function showSafeRate(place, opening, way) {
  const { safe_rate: safe, curvature } = opening;
  const [what, whose] = way === "batch" ? ["every step descends", "of this data"] : ["a step lowers the loss of its own points", "that one point has"];
  const promise = `Below 2/L = ${text(safe, 3)} ${what}; L = ${text(curvature, 3)} is the largest curvature ${whose}.`;
  place.textContent = safe === null ? "No rate is promised to descend here." : promise;
}
