// The settings: in the form, in the address, and in the questions to the server.

export const DEFAULTS = {
  data: "iris",
  features: [],
  label: "",
  classes: [],
  one: "",
  rows: 100,
  groups: 3,
  spread: 1,
  standardise: false,
  loss: "logistic",
  penalty: 0,
  way: "batch",
  rate: 0.1,
  decay: 0,
  batch: 10,
  shuffle: true,
  start: "zeros",
  seed: 0,
  csv: "",
  name: "table.csv",
};

export const VIEW = { across: 0, upwards: 1, held: "present", log: false, speed: 10, at: 0 };

const LONGEST_TABLE = 1500; // characters of a table that a link carries
const FIELDS = ["data", "label", "one", "rows", "groups", "spread", "standardise", "loss", "penalty", "way", "rate", "decay", "batch", "shuffle", "seed"];
const RANDOM = ["blobs", "moons", "rings"];
const find = (id) => document.getElementById(id);

// What the address says; whatever it does not say has its default.
export function readAddress(query, defaults) {
  const asked = new URLSearchParams(query);
  const found = {};
  for (const [name, usual] of Object.entries(defaults)) {
    const all = asked.getAll(name);
    if (!all.length) found[name] = usual;
    else if (Array.isArray(usual)) found[name] = all;
    else if (typeof usual === "boolean") found[name] = /^(true|1|yes)$/i.test(all[0]);
    else if (typeof usual === "number") found[name] = Number.isFinite(Number(all[0])) ? Number(all[0]) : usual;
    else found[name] = all[0];
  }
  return found;
}

export function writeAddress(settings, view) {
  const query = new URLSearchParams();
  const put = (values, defaults) => {
    for (const [name, value] of Object.entries(values)) {
      if (Array.isArray(value)) value.forEach((item) => query.append(name, item));
      else if (value !== defaults[name]) query.set(name, value);
    }
  };
  const carried = { ...settings };
  if (carried.data !== "own" || carried.csv.length > LONGEST_TABLE) carried.csv = "";
  if (carried.data !== "own") carried.name = DEFAULTS.name;
  put(carried, DEFAULTS);
  put(view, VIEW);
  const text = query.toString();
  return text ? `?${text}` : "?";
}

export const tableStaysHere = (settings) => settings.data === "own" && settings.csv.length > LONGEST_TABLE;

// The form as settings; numbers that are not numbers are left to the server, which says what is wrong with them.
export function readForm(known) {
  const settings = { ...known };
  for (const name of FIELDS) {
    const field = find(name);
    if (field.type === "checkbox") settings[name] = field.checked;
    else if (field.type === "number") settings[name] = field.value === "" ? field.value : Number(field.value);
    else if (field.tagName !== "SELECT" || field.options.length) settings[name] = field.value;
  }
  const features = [find("feature-1").value, find("feature-2").value].filter(Boolean);
  if (features.length) settings.features = features[0] === features[1] ? features.slice(0, 1) : features;
  const boxes = [...find("classes").querySelectorAll("input")];
  const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
  if (boxes.length) settings.classes = chosen.length === boxes.length ? [] : chosen;
  settings.start = find("start").value === "numbers" ? find("numbers").value : find("start").value;
  if (settings.data !== known.data) Object.assign(settings, { features: [], classes: [], one: "", label: "" });
  if (settings.label !== known.label && known.label) Object.assign(settings, { features: [], classes: [], one: "" });
  return settings;
}

export function fillForm(settings) {
  for (const name of FIELDS) {
    const field = find(name);
    if (field.type === "checkbox") field.checked = settings[name];
    else field.value = settings[name];
  }
  const isWord = ["zeros", "null", "random"].includes(settings.start);
  find("start").value = isWord ? settings.start : "numbers";
  find("numbers").value = isWord ? find("numbers").value : settings.start;
}

function choices(field, names, chosen, titles = names) {
  field.replaceChildren(...names.map((name, k) => new Option(titles[k], name, false, name === chosen)));
}

// What can be chosen follows from the data.
export function offer(settings, opening) {
  const columns = opening.columns.filter((name) => name !== opening.label);
  choices(find("feature-1"), columns, opening.features[0]);
  choices(find("feature-2"), ["", ...columns], opening.features[1] || "", ["none: one feature", ...columns]);
  choices(find("label"), opening.label ? opening.columns : [], opening.label);
  choices(find("one"), opening.kept_classes, settings.one || opening.kept_classes[opening.kept_classes.length - 1]);
  find("classes").replaceChildren(
    ...opening.every_class.map((name, k) => {
      const box = document.createElement("input");
      Object.assign(box, { type: "checkbox", value: name, id: `class-${k}`, checked: opening.kept_classes.includes(name) });
      const label = document.createElement("label");
      label.htmlFor = box.id;
      label.textContent = name;
      const both = document.createElement("span");
      both.append(box, " ", label);
      return both;
    }),
  );
}

// Only what matters to the present choice is shown.
export function showWhatMatters(settings, opening) {
  const descends = !["newton", "lbfgs"].includes(settings.way);
  const someRows = ["mini-batch", "stochastic"].includes(settings.way);
  const random = RANDOM.includes(settings.data);
  const several = opening ? opening.kept_classes.length > 2 : false;
  const matters = {
    own: settings.data === "own",
    table: Boolean(opening && opening.label),
    features: Boolean(opening && opening.columns.length > 2),
    classes: Boolean(opening && opening.every_class.length > 2),
    random,
    blobs: settings.data === "blobs",
    one: several && !["softmax", "one-vs-rest"].includes(settings.loss),
    rate: descends,
    batch: settings.way === "mini-batch",
    stochastic: someRows,
    numbers: find("start").value === "numbers",
    seed: random || someRows || settings.start === "random",
  };
  for (const part of document.querySelectorAll("[data-for]")) part.hidden = !matters[part.dataset.for];
}
