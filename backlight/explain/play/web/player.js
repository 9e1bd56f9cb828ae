// Steps through frames: each lights some pieces, writes some texts, and says a sentence.

const data = JSON.parse(document.getElementById("data").textContent);
const stage = document.getElementById("stage");
const said = document.getElementById("said");
const named = new Map([...stage.querySelectorAll("[data-name]")].map((one) => [one.dataset.name, one]));
const blank = new Map([...named].filter(([, one]) => one.tagName === "text").map(([name, one]) => [name, one.textContent]));

let at = 0;
let timer = 0;

function put(tag, attributes, text) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  document.getElementById("controls").append(made);
  return made;
}

const first = put("button", { "aria-label": data.words.first, title: data.words.first }, "|◀");
const back = put("button", { "aria-label": data.words.back, title: data.words.back }, "◀");
const play = put("button", { "aria-pressed": "false" }, data.words.play);
const next = put("button", { "aria-label": data.words.next, title: data.words.next }, "▶");
const slider = put("input", {
  type: "range",
  min: 0,
  max: data.frames.length - 1,
  value: 0,
  "aria-label": data.words.step,
});

/** What stands on the stage at a frame follows from all frames up to it. */
function show(place) {
  at = Math.max(0, Math.min(data.frames.length - 1, place));
  const written = new Map();
  for (const frame of data.frames.slice(0, at + 1)) {
    for (const [name, text] of Object.entries(frame.texts)) written.set(name, text);
  }
  for (const [name, text] of blank) named.get(name).textContent = written.get(name) ?? text;
  const lit = new Set(data.frames[at].lit);
  for (const [name, one] of named) {
    one.classList.toggle("lit", lit.has(name));
    one.classList.toggle("done", written.has(`${name}-text`));
  }
  said.textContent = data.frames[at].said;
  slider.value = at;
  slider.setAttribute("aria-valuetext", data.frames[at].said);
  back.disabled = first.disabled = at === 0;
  next.disabled = at === data.frames.length - 1;
  if (next.disabled) stop();
}

function stop() {
  clearInterval(timer);
  timer = 0;
  play.textContent = data.words.play;
  play.setAttribute("aria-pressed", "false");
}

function start() {
  if (at === data.frames.length - 1) show(0);
  timer = setInterval(() => show(at + 1), data.pause);
  play.textContent = data.words.pause;
  play.setAttribute("aria-pressed", "true");
}

function step(by) {
  stop();
  show(at + by);
}

first.addEventListener("click", () => step(-data.frames.length));
back.addEventListener("click", () => step(-1));
next.addEventListener("click", () => step(1));
play.addEventListener("click", () => (timer ? stop() : start()));
slider.addEventListener("input", () => step(Number(slider.value) - at));
document.addEventListener("keydown", (event) => {
  if (event.target === slider || event.ctrlKey || event.metaKey || event.altKey) return;
  const moves = { ArrowRight: 1, ArrowLeft: -1, Home: -data.frames.length, End: data.frames.length };
  if (event.key in moves) step(moves[event.key]);
  else if (event.key === " " && event.target.tagName !== "BUTTON") timer ? stop() : start();
  else return;
  event.preventDefault();
});
show(0);
