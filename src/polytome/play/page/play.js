// The playground: what was requested, what has arrived, where the play head is, and what is drawn.

import { drawCurve } from "./curve.js";
import { nameSeries, showFacts, showSafeRate, showVerdict } from "./facts.js";
import { showUpdate } from "./numbers.js";
import { describePlane, drawKey, drawPlane } from "./plane.js";
import { fetchFrames, fetchProblem, fetchSurface } from "./server.js";
import { DEFAULTS, VIEW, fillForm, offer, readAddress, readForm, showWhatMatters, tableStaysHere, writeAddress } from "./settings.js";
import { drawSurface, pathBox } from "./surface.js";

const AT_ONCE = 500; // frames of one request
const AT_FIRST = 60; // and of the first one, so that there is soon something to see
const AHEAD = 200; // when fewer frames than this wait to be shown, more are requested
const MOST = 5000;
const CALM = 3000; // milliseconds between two announcements to a screen reader while playing
const LEGIBLE = 400; // and between two sentences about how it goes
const REDRAW = 500; // milliseconds between two pictures of the loss surface while playing


const find = (id) => document.getElementById(id);

const query = location.search.length > 1 ? location.search : new URL(document.querySelector(".presets a").href).search;
let settings = readAddress(query, DEFAULTS);
const view = readAddress(query, VIEW);
let opening = null;
let frames = [];
let at = 0;
let playing = false;
let surface = null;
let asked = new AbortController();
let coming = false; // frames are on their way
let told = 0;
let judged = 0;
let drawnSurface = 0;
let placeAt = () => null; // from a place in the picture of the loss surface to two parameters
let asking = false; // a picture of the loss surface is on its way

// ---- a new problem

async function begin(step = 0) {
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  pause();
  try {
    const problem = await fetchProblem(settings, signal);
    opening = problem;
    frames = [];
    surface = null;
    at = 0;
    coming = false;
    find("fault").textContent = "";
    offer(settings, opening);
    showWhatMatters(settings, opening);
    offerParameters();
    showSafeRate(find("safe"), opening, settings.way);
    await more(step + 1);
    show(Math.min(step, frames.length - 1));
    more(frames.length + 1).catch(lostFrames);
    announce(true);
    rememberAddress();
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
  }
}

function fail(error) {
  pause();
  const lost = error instanceof TypeError ? "The server does not answer; is polytome play still running?" : error.message;
  find("fault").textContent = lost;
  if (!frames.length) find("verdict").textContent = "Nothing to show yet.";
  showWhatMatters(settings, opening);
}

// Frames up to a step, if the run has that many.
async function more(needed) {
  const { signal } = asked;
  while (frames.length < Math.min(needed, MOST) && !atEnd(frames.length - 1) && !coming) {
    coming = true;
    try {
      await fetchFrames(settings, frames.length, frames.length ? AT_ONCE : AT_FIRST, signal, (arrived) => {
        if (signal.aborted) return;
        frames.push(...arrived);
        find("at").max = Math.max(1, frames.length - 1);
      });
    } finally {
      if (!signal.aborted) coming = false;
    }
  }
}

const atEnd = (step) => frames.length > 0 && step >= 0 && (frames[step].last || step >= MOST - 1);

const ended = () => at === frames.length - 1 && atEnd(at);

// ---- playing

function play() {
  if (!opening || ended()) return;
  playing = true;
  shownAt = performance.now();
  find("play").textContent = "Pause";
  announce(true);
  tick(performance.now());
}

function pause() {
  playing = false;
  find("play").textContent = "Play";
}

function stop() {
  if (!playing) return;
  pause();
  announce(true);
  rememberAddress();
  refreshSurface();
}

const calmly = matchMedia("(prefers-reduced-motion: reduce)");
let shownAt = 0;

// As many steps as are due since the last picture; after a long wait no more than belong to one picture.
function tick(now) {
  if (!playing) return;
  const pictures = calmly.matches ? 3 : 30; // the most pictures a second
  const due = Math.floor(((now - shownAt) / 1000) * view.speed);
  if (due >= 1 && now - shownAt >= 1000 / pictures) {
    const waitedLong = now - shownAt > 1000;
    shownAt = waitedLong ? now : shownAt + (1000 * due) / view.speed;
    advance(waitedLong ? 1 : due);
  }
  if (playing) requestAnimationFrame(tick);
}

function advance(steps) {
  const goal = Math.min(at + steps, frames.length - 1);
  const arrival = frames.findIndex((frame, step) => step > at && step <= goal && frame.state === "arrived" && frames[step - 1].state !== "arrived");
  show(arrival > 0 ? arrival : goal);
  announce(false);
  if (frames.length - at < AHEAD) more(frames.length + 1).catch(lostFrames);
  if (arrival > 0 || ended()) stop();
}

function lostFrames(error) {
  if (error.name !== "AbortError") fail(error);
}

async function step(by) {
  stop();
  if (!opening) return;
  await more(at + by + 1).catch(lostFrames);
  show(Math.max(0, Math.min(at + by, frames.length - 1)));
  announce(true);
  rememberAddress();
}

// ---- what is shown

function show(step) {
  at = step;
  const frame = frames[at];
  find("at").value = at;
  find("at-text").textContent = at;
  find("back").disabled = find("reset").disabled = at === 0;
  find("forward").disabled = ended();
  find("play").disabled = ended() && !playing;
  const news = !["falls", "rises", "level"].includes(frame.state);
  if (news || !playing || performance.now() - judged > LEGIBLE) {
    judged = performance.now();
    showVerdict(find("verdict"), frames, at);
  }
  showFacts(find("facts"), opening, frame);
  drawPlane(find("plane"), opening, frame);
  drawKey(find("key"), opening, frame);
  find("plane-name").textContent = `Points and ${opening.window ? "regions" : opening.classes.length ? "curves" : "line"}`;
  find("plane-words").textContent = [opening.title, ...opening.notes].join(". ");
  const series = drawCurve(find("curve"), opening, frames, at, view.log);
  find("curve-words").textContent = nameSeries(series, opening, view.log);
  find("formula").textContent = [opening.formulas.model, opening.formulas.loss, opening.formulas.step].join("\n");
  showUpdate(find("update"), find("worked"), find("chain"), opening, frame, view.across);
  showSurface();
}

// ---- the loss surface

function offerParameters() {
  const names = opening.parameters;
  view.across = Math.min(Math.max(0, Math.round(view.across)), names.length - 1);
  view.upwards = Math.min(Math.max(0, Math.round(view.upwards)), names.length - 1);
  if (view.across === view.upwards) view.upwards = view.across ? 0 : 1;
  for (const id of ["across", "upwards"]) find(id).replaceChildren(...names.map((name, k) => new Option(name, k, false, k === view[id])));
  const known = opening.optimum.coefficients !== null;
  find("held").options[1].disabled = !known;
  if (!known) view.held = "present";
  find("held").value = view.held;
  find("held").disabled = names.length <= 2;
}

function showSurface() {
  if (surface) {
    const drawn = drawSurface(find("surface"), opening, frames, at, surface, view);
    find("surface-words").textContent = drawn.shown;
    placeAt = drawn.at;
  }
  const waited = performance.now() - drawnSurface > REDRAW;
  if (!playing || (waited && isOutgrown())) refreshSurface();
}

// Whether the picture no longer shows where the run is, or holds values that it has left.
function isOutgrown() {
  if (!surface) return true;
  const [a, b] = [view.across, view.upwards].map((position) => frames[at].coefficients.flat()[position]);
  const { x, y } = surface;
  const outside = a < x[0] || a > x[x.length - 1] || b < y[0] || b > y[y.length - 1];
  return outside || (view.held === "present" && opening.parameters.length > 2);
}

async function refreshSurface() {
  if (asking) return;
  const frame = frames[at];
  const finite = frame.coefficients.flat().every((value) => value !== null && Math.abs(value) < 1e11);
  const present = finite ? frame.coefficients : surface ? surface.heldAt : opening.start;
  const heldAt = view.held === "optimal" ? opening.optimum.coefficients : present;
  const box = pathBox(frames, at, view);
  const question = { across: view.across, upwards: view.upwards, held: heldAt, path: box };
  const key = JSON.stringify(question);
  if (surface && surface.key === key) return;
  asking = true;
  const { signal } = asked;
  try {
    const found = await fetchSurface(settings, question, signal);
    surface = { ...found, heldAt, key };
    drawnSurface = performance.now();
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
    return;
  } finally {
    asking = false;
  }
  if (!signal.aborted) showSurface();
}

// ---- words for those who do not see the pictures

function announce(now) {
  if (!frames.length || (!now && performance.now() - told < CALM)) return;
  told = performance.now();
  const going = playing ? "Playing. " : "";
  find("news").textContent = `${going}Step ${at}. ${find("verdict").textContent} ${describePlane(opening, frames[at])}`;
}

// ---- the address

let remembering = 0;

// Soon, not at once: browsers refuse an address that changes with every step.
function rememberAddress() {
  clearTimeout(remembering);
  remembering = setTimeout(writeNow, 150);
}

function writeNow() {
  view.at = at;
  history.replaceState(null, "", writeAddress(settings, view));
  const here = writeAddress(settings, VIEW);
  let hint = "";
  for (const each of document.querySelectorAll(".presets a")) {
    const same = writeAddress(readAddress(new URL(each.href).search, DEFAULTS), VIEW) === here;
    each.toggleAttribute("aria-current", same);
    if (same) each.setAttribute("aria-current", "true");
    if (same) hint = each.dataset.hint;
  }
  find("hint").textContent = hint;
  find("hint").hidden = !hint;
}

async function copyLink() {
  writeNow();
  const warning = tableStaysHere(settings) ? " It does not hold your table, which is too long: send the file along." : "";
  try {
    await navigator.clipboard.writeText(location.href);
    find("copied").textContent = `Copied.${warning}`;
  } catch {
    find("copied").textContent = `Please copy the address of this page.${warning}`;
  }
}

// ---- what a user does

let waiting = 0;

function changed() {
  if (find("start").value === "numbers" && !find("numbers").value && frames.length) {
    find("numbers").value = asNumbers(frames[at].coefficients.flat());
  }
  settings = readForm(settings);
  showWhatMatters(settings, opening);
  clearTimeout(waiting);
  if (settings.data === "own" && !settings.csv) {
    find("fault").textContent = "";
    find("file").focus();
    return;
  }
  const wasPlaying = playing;
  waiting = setTimeout(() => begin().then(() => wasPlaying && play()), 200);
}

function scaleRate(factor) {
  find("rate").value = Number((Number(find("rate").value) * factor).toPrecision(4));
  changed();
}

const asNumbers = (values) => values.map((value) => Number((value || 0).toPrecision(4))).join(", ");

// A click on the loss surface starts there, with the other parameters as they were at the start.
function startThere(event) {
  const there = placeAt(event.clientX, event.clientY);
  if (!there) return;
  const values = opening.start.flat();
  [values[view.across], values[view.upwards]] = there;
  settings = { ...settings, start: asNumbers(values) };
  fillForm(settings);
  begin();
}

async function takeFile(file) {
  if (!file) return;
  if (file.size > 200_000) {
    fail(new Error(`${file.name} has ${file.size} bytes, at most 200000 can be used here; start polytome play with the file instead`));
    return;
  }
  settings = { ...readForm(settings), data: "own", csv: await file.text(), name: file.name, features: [], classes: [], one: "", label: "" };
  begin();
}

function changedView() {
  view.across = Number(find("across").value);
  view.upwards = Number(find("upwards").value);
  if (view.across === view.upwards) {
    view.upwards = opening.parameters.findIndex((_, k) => k !== view.across);
    find("upwards").value = view.upwards;
  }
  view.held = find("held").value;
  view.log = find("log").checked;
  view.speed = Number(find("speed").value);
  if (!frames.length) return;
  surface = null;
  show(at);
  rememberAddress();
}

function pressed(event) {
  const field = event.target.closest("input:not([type=checkbox]), select, textarea, .scroll");
  const takesSpace = event.key === " " && event.target.closest("button, a, input");
  if (field || takesSpace || event.ctrlKey || event.metaKey || event.altKey || !frames.length) return;
  const actions = { " ": () => (playing ? stop() : play()), ArrowRight: () => step(1), ArrowLeft: () => step(-1), Home: () => step(-at) };
  if (!(event.key in actions)) return;
  event.preventDefault();
  actions[event.key]();
}

function start() {
  fillForm(settings);
  showWhatMatters(settings, opening);
  find("log").checked = view.log;
  find("speed").value = [...find("speed").options].some((option) => Number(option.value) === view.speed) ? view.speed : VIEW.speed;
  view.speed = Number(find("speed").value);
  find("settings").addEventListener("change", (event) => (event.target.id === "file" ? takeFile(event.target.files[0]) : changed()));
  find("settings").addEventListener("submit", (event) => event.preventDefault());
  find("halve").addEventListener("click", () => scaleRate(0.5));
  find("double").addEventListener("click", () => scaleRate(2));
  find("play").addEventListener("click", () => (playing ? stop() : play()));
  find("reset").addEventListener("click", () => step(-at));
  find("back").addEventListener("click", () => step(-1));
  find("forward").addEventListener("click", () => step(1));
  find("at").addEventListener("input", (event) => step(Number(event.target.value) - at));
  for (const id of ["across", "upwards", "held", "log", "speed"]) find(id).addEventListener("change", changedView);
  find("surface").classList.add("takes-clicks");
  find("surface").addEventListener("click", startThere);
  find("copy").addEventListener("click", copyLink);
  document.addEventListener("keydown", pressed);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width && frames.length) show(at);
    width = innerWidth;
  });
  begin(view.at);
}

start();
