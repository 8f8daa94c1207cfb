// SVG elements, the shapes of the classes, and numbers as text.

const SPACE = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Circle, square, triangle, diamond, inverted triangle, cross: distinguishable without colour.
const SHAPES = [
  (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
  (r) => `M${-0.9 * r} ${-0.9 * r}h${1.8 * r}v${1.8 * r}h${-1.8 * r}Z`,
  (r) => `M0 ${-1.2 * r}L${1.1 * r} ${0.8 * r}L${-1.1 * r} ${0.8 * r}Z`,
  (r) => `M0 ${-1.3 * r}L${1.1 * r} 0L0 ${1.3 * r}L${-1.1 * r} 0Z`,
  (r) => `M0 ${1.2 * r}L${1.1 * r} ${-0.8 * r}L${-1.1 * r} ${-0.8 * r}Z`,
  (r) => {
    const a = 0.4 * r;
    const b = 1.1 * r;
    return `M${-a} ${-b}h${2 * a}V${-a}H${b}v${2 * a}H${a}V${b}h${-2 * a}V${a}H${-b}V${-a}H${-a}Z`;
  },
];

// The style sheet gives each of these classes its colour.
export const ownColour = (code) => `class-${code % SHAPES.length}`;

export const shape = (code, radius) => SHAPES[code % SHAPES.length](radius);

export function mark(code, x, y, radius, wrong) {
  const kind = `point ${ownColour(code)}${wrong ? " wrong" : ""}`;
  return svg("path", { d: shape(code, radius), transform: `translate(${x} ${y})`, class: kind });
}

// Significant digits, a true minus, and powers of ten where a number is very large or small.
export function text(number, digits = 4) {
  if (number === null || number === undefined) return "beyond all numbers";
  if (number === 0) return "0";
  const size = Math.abs(number);
  const plain = size >= 1e-4 && size < 1e6 ? String(Number(number.toPrecision(digits))) : power(number, digits);
  return plain.replace("-", "−");
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

export const exponent = (number) => [...String(number)].map((sign) => RAISED[sign]).join("");

function power(number, digits) {
  const [factor, exponential] = number.toExponential(Math.min(digits, 4) - 1).split("e");
  return `${Number(factor)}·10${exponent(Number(exponential))}`;
}
