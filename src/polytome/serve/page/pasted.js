// A pasted row as the values of features.

import { faultIn } from "./fields.js";

/** Texts in the order of the features, or a fault in words. */
export function rowOf(pasted, features) {
  const lines = pasted.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) return { fault: "There is nothing to use yet: paste a row." };
  if (lines.length > 2) {
    return { fault: `These are ${lines.length} lines: paste one row, or a line of names and one row.` };
  }
  const separator = lines[0].includes("\t") ? "\t" : ",";
  const [first, second] = lines.map((line) => cellsOf(line, separator));
  return judged(second === undefined ? byPosition(first, features) : byName(first, second, features), features);
}

function byPosition(cells, features) {
  if (cells.length === features.length) return { texts: cells };
  const more = cells.length === features.length + 1 ? "; leave out the column of the labels" : "";
  return { fault: `The row has ${cells.length} values, the model ${features.length} features${more}.` };
}

function byName(names, cells, features) {
  if (names.length !== cells.length) return { fault: `${names.length} names stand above ${cells.length} values.` };
  const given = new Map(names.map((name, place) => [name, cells[place]]));
  const lacking = features.filter((feature) => !given.has(feature.name));
  if (lacking.length > 0) return { fault: `The feature \u201c${lacking[0].name}\u201d is not among the names.` };
  return { texts: features.map((feature) => given.get(feature.name)) };
}

function judged(found, features) {
  if (found.fault !== undefined) return found;
  for (const [place, feature] of features.entries()) {
    const fault = faultIn(feature, found.texts[place]);
    if (fault !== "") return { fault: `${feature.name}: ${fault}` };
  }
  return found;
}

/** The cells of a line; a cell in double quotes may hold the separator, and two double quotes for one. */
function cellsOf(line, separator) {
  const cells = [];
  let [cell, before, quoted] = ["", "", false];
  for (const sign of line) {
    if (sign === '"') {
      if (!quoted && before === '"') cell += '"';
      quoted = !quoted;
    } else if (sign === separator && !quoted) {
      cells.push(cell.trim());
      cell = "";
    } else {
      cell += sign;
    }
    before = sign;
  }
  return [...cells, cell.trim()];
}
