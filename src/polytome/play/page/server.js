// What the page asks its server. Every question carries all settings; the server keeps nothing.

async function ask(place, question, signal) {
  const response = await fetch(place, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(question),
    signal,
  });
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw new Error(answer.error || `the server answered with status ${response.status}`);
  }
  return response;
}

export async function fetchProblem(settings, signal) {
  return (await ask("problem", { settings }, signal)).json();
}

export async function fetchSurface(settings, question, signal) {
  return (await ask("surface", { settings, ...question }, signal)).json();
}

// Hands over each frame as it arrives; aborting the signal ends the computation on the server as well.
export async function fetchFrames(settings, first, count, signal, take) {
  const response = await ask("run", { settings, first, count }, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    if (lines.length) take(lines.map((line) => JSON.parse(line)));
  }
}
