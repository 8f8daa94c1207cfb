// Questions to the server beside this page.

/** The server did not answer at all. */
export class Gone extends Error {}

/** The server answered that it cannot do this, in words. */
export class Refused extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

export async function ask(path, question) {
  let answer;
  try {
    answer = await fetch(path, question === undefined ? {} : { method: "POST", ...encoded(question) });
  } catch {
    throw new Gone("The server does not answer. It may have been stopped, or the connection is lost.");
  }
  if (!answer.ok) throw new Refused(answer.status, await wordsOf(answer));
  return answer.json();
}

/**
 * A function that does one piece of work at a time. Of what it is given meanwhile only the newest is done, so that a
 * slow server is never buried in requests whose answers are no longer needed.
 */
export function newestOnly(work) {
  let running = false;
  let waiting = null;
  return async (task) => {
    waiting = { task };
    if (running) return;
    running = true;
    try {
      while (waiting !== null) {
        const next = waiting;
        waiting = null;
        await work(next.task, () => waiting === null);
      }
    } finally {
      running = false;
    }
  };
}

function encoded(question) {
  if (question instanceof Blob) return { headers: { "content-type": question.type }, body: question };
  return { headers: { "content-type": "application/json" }, body: JSON.stringify(question) };
}

async function wordsOf(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `The server answered ${answer.status}.`;
  }
}
