// Numbers as people read them.

/** A probability in percent; what is not certain is never written as 0 or 100. */
export function percent(probability) {
  const value = 100 * probability;
  if (probability > 0 && value < 0.05) return "< 0.1 %";
  if (probability < 1 && value >= 99.95) return "> 99.9 %";
  return `${value.toFixed(1)} %`;
}

/** A number with three significant digits, or its whole part where that is longer. */
export function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-3) return minus(value.toExponential(1));
  if (size >= 1e4) return minus(Math.round(value).toLocaleString("en"));
  return minus(size >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));
}

/** A change: with its sign, and as many decimals as those beside it. */
export function signed(value, decimals = 2) {
  const text = Math.abs(value).toFixed(decimals);
  return Number(text) === 0 ? text : (value < 0 ? "\u2212" : "+") + text;
}

/** The number of decimals that shows the largest of some numbers with three digits. */
export function decimalsFor(largest) {
  return largest > 0 ? Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(largest)))) : 2;
}

/** The distance of values in a range that a person tells apart: a power of ten, 100 to 1,000 of them in the range. */
export function stepIn(low, high) {
  return high > low ? 10 ** Math.floor(Math.log10((high - low) / 100)) : 1;
}

/** A value on the grid of `step`, as the shortest text. */
export function onGrid(value, step) {
  return String(tidy(Math.round(value / step) * step));
}

/** A number without the noise that arithmetic leaves in its last digits. */
function tidy(value) {
  return Number(value.toPrecision(14));
}

/** Some names as a sentence has them; fewer where they are long. */
export function listed(names, most = names.join("").length < 80 ? 12 : 5) {
  const shown = names.slice(0, most).map(String);
  if (names.length > most) return `${shown.join(", ")} and ${(names.length - most).toLocaleString("en")} more`;
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}

export function count(number, thing, things = `${thing}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? thing : things}`;
}

function minus(text) {
  return text.replace(/-/g, "\u2212");
}
