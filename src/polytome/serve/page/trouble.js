// What the page says when the server is gone, or refuses, and how it finds back.

import { Gone, ask } from "./server.js";

const LOOK_AGAIN = 2500; // milliseconds

const box = document.querySelector("#trouble");
const words = document.querySelector("#trouble-words");
const button = document.querySelector("#try-again");
let retry = () => {};
let timer = 0;

button.addEventListener("click", () => retry());

/** Say what is wrong; where the server is gone, look for it until it is back. */
export function showTrouble(error, again) {
  retry = again;
  const isSignedOut = error.status === 401;
  box.hidden = false;
  button.hidden = isSignedOut;
  document.querySelector("#sign-in").hidden = !isSignedOut;
  const text = isSignedOut ? "The server asks for its token again." : error.message;
  if (words.textContent !== text) words.textContent = text;
  if (error instanceof Gone) look();
}

export function hideTrouble() {
  clearTimeout(timer);
  box.hidden = true;
  words.textContent = "";
}

function look() {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    try {
      await ask("/healthz");
    } catch (error) {
      if (error instanceof Gone) {
        look();
        return;
      }
    }
    retry();
  }, LOOK_AGAIN);
}
