// The numbers of a step, in the notation of the documents.

import { text } from "./marks.js";

function element(tag, content, attributes = {}) {
  const made = document.createElement(tag);
  made.append(content);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function row(cells, first = "th") {
  const made = document.createElement("tr");
  cells.forEach((cell, k) => made.append(k ? element("td", cell) : element(first, cell, { scope: "row" })));
  return made;
}

export function showUpdate(table, worked, place, opening, frame, example) {
  const head = document.createElement("thead");
  const body = document.createElement("tbody");
  const after = frame.coefficients.flat();
  const gradient = (frame.update || frame).gradient.flat();
  if (!frame.update) {
    head.append(titles(["", "now", "∂J/∂·"]));
    opening.parameters.forEach((name, k) => body.append(row([name, text(after[k]), text(gradient[k])])));
  } else {
    const { before, rate } = frame.update;
    head.append(titles(rate === null ? ["", "before", "∂J/∂·", "step", "after"] : ["", "before", "∂J/∂·", `− ${text(rate)} · ∂J/∂·`, "after"]));
    const old = before.flat();
    opening.parameters.forEach((name, k) => {
      const step = rate === null ? difference(after[k], old[k]) : product(-rate, gradient[k]);
      body.append(row([name, text(old[k]), text(gradient[k]), text(step), text(after[k])]));
    });
  }
  worked.textContent = frame.update ? workedStep(opening, frame, example) : "";
  table.replaceChildren(head, body);
  place.replaceChildren(...(frame.update ? points(opening, frame.update) : []));
}

// One parameter's step written out, as by hand.
function workedStep(opening, frame, k) {
  const { before, gradient, rate } = frame.update;
  if (rate === null) return "";
  const slope = gradient.flat()[k];
  const signed = slope !== null && slope < 0 ? `(${text(slope)})` : text(slope);
  return `${opening.parameters[k]} := ${text(before.flat()[k])} − ${text(rate)} · ${signed} = ${text(frame.coefficients.flat()[k])}`;
}

const difference = (a, b) => (a === null || b === null ? null : a - b);

const product = (a, b) => (b === null ? null : a * b);

function titles(names) {
  const made = document.createElement("tr");
  names.forEach((name) => made.append(element("th", name, { scope: "col" })));
  return made;
}

// Which points the step used; of a single one, what the chain rule makes of it.
function points(opening, update) {
  if (!update.rows) return [];
  if (!update.chain) {
    const shown = update.rows.slice(0, 20).map((place) => place + 1);
    const more = update.rows.length > shown.length ? " and more" : "";
    return [element("p", `Points in this step: ${shown.join(", ")}${more}.`)];
  }
  const table = document.createElement("table");
  const body = document.createElement("tbody");
  for (const [symbol, formula, values] of update.chain) {
    const shown = values.map((value) => text(value)).join(", ");
    const names = { yhat: "ŷ", "dL/dz": "∂L/∂z" };
    const how = formula.replace("yhat", "ŷ").replace("-", "−");
    body.append(row([names[symbol] || symbol, how === "loss.mean(z)" || how === "loss(z, y)" || how === "loss.gradient" ? "" : how, shown]));
  }
  table.append(body);
  return [element("h3", `Point ${update.rows[0] + 1} alone`), table];
}
