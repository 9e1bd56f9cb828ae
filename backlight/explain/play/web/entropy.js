// Two distributions by dragged bars: entropy, cross-entropy and divergence follow.

const data = JSON.parse(document.getElementById("data").textContent);
const stage = document.getElementById("stage");
const svg = stage.querySelector("svg");
const { high, bottom, longest, first, wide } = data.geometry;
const named = (name) => stage.querySelector(`[data-name="${name}"]`);
const shares = { p: [...data.p], q: [...data.q] };
let unit = { name: data.words.nats, size: 1 };

/** Set one share; the others keep their proportions and fill the rest. */
function set(which, k, value) {
  const share = Math.max(0, Math.min(1, value));
  const old = shares[which];
  const rest = old.reduce((sum, one, i) => sum + (i === k ? 0 : one), 0);
  shares[which] = old.map((one, i) => {
    if (i === k) return share;
    return rest > 0 ? (one / rest) * (1 - share) : (1 - share) / (old.length - 1);
  });
  show();
}

/** −Σ a·ln b, where 0·ln 0 counts as 0. */
function surprise(a, b) {
  return a.reduce((sum, one, i) => sum - (one > 0 ? one * Math.log(b[i]) : 0), 0);
}

const written = (x) =>
  Number.isFinite(x) ? (Math.abs(x) < 5e-5 ? 0 : x / unit.size).toFixed(4) : "∞";

function stretch(name, from, length) {
  const block = named(name);
  block.setAttribute("x", first + from);
  block.setAttribute("width", Math.max(0, length));
}

function show() {
  for (const which of ["p", "q"]) {
    shares[which].forEach((share, k) => {
      const bar = named(which + k);
      const fill = bar.querySelector(".fill");
      fill.setAttribute("y", bottom - high * share);
      fill.setAttribute("height", high * share);
      bar.querySelector("text").textContent = share.toFixed(3);
      bar.setAttribute("aria-valuenow", share.toFixed(3));
    });
  }
  const own = surprise(shares.p, shares.p);
  const cross = surprise(shares.p, shares.q);
  const more = Math.max(0, cross - own);
  const most = Number.isFinite(cross) ? Math.max(cross, 2) : 2;
  const scale = longest / most;
  const end = Number.isFinite(cross) ? more * scale : longest - own * scale;
  stretch("entropy-own", 0, own * scale);
  stretch("cross-own", 0, own * scale);
  stretch("cross-extra", own * scale, end);
  stretch("divergence-own", 0, end);
  const told = { entropy: [own, own * scale], cross: [cross, own * scale + end], divergence: [more, end] };
  for (const [name, [value, at]] of Object.entries(told)) {
    const text = named(`${name}-told`);
    text.textContent = written(value);
    text.setAttribute("x", Math.min(first + at + 8, wide - 50));
  }
  const least = first + own * scale;
  for (const side of ["x1", "x2"]) named("least").setAttribute(side, least);
  named("least-told").setAttribute("x", Math.max(first + 60, Math.min(least, wide - 100)));
  named("least-told").textContent = data.words.least.replace("{value}", written(own));
  const words = Number.isFinite(cross) ? data.words.say : data.words.infinite;
  document.getElementById("said").textContent = words
    .replace("{entropy}", written(own))
    .replace("{cross}", written(cross))
    .replace("{divergence}", written(more))
    .replace("{unit}", unit.name);
}

function put(label, act, pressed) {
  const made = document.createElement("button");
  made.textContent = label;
  if (pressed !== undefined) made.setAttribute("aria-pressed", pressed);
  made.addEventListener("click", () => act(made));
  document.getElementById("controls").append(made);
  return made;
}

put(data.words.same, () => ((shares.q = [...shares.p]), show()));
put(data.words.even, () => ((shares.q = shares.q.map(() => 1 / shares.q.length)), show()));
put(data.words.start, () => ((shares.p = [...data.p]), (shares.q = [...data.q]), show()));
put(
  data.words.bits,
  (button) => {
    const bits = unit.size === 1;
    unit = bits ? { name: data.words.bits, size: Math.LN2 } : { name: data.words.nats, size: 1 };
    button.setAttribute("aria-pressed", bits);
    show();
  },
  false,
);

for (const bar of stage.querySelectorAll(".bar")) {
  const which = bar.dataset.name[0];
  const k = Number(bar.dataset.name.slice(1));
  const pull = (event) => {
    const there = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    set(which, k, (bottom - there.y) / high);
  };
  bar.addEventListener("pointerdown", (event) => {
    bar.setPointerCapture(event.pointerId);
    pull(event);
  });
  bar.addEventListener("pointermove", (event) => bar.hasPointerCapture(event.pointerId) && pull(event));
  bar.addEventListener("keydown", (event) => {
    const now = shares[which][k];
    const steps = { ArrowUp: now + 0.01, ArrowRight: now + 0.01, ArrowDown: now - 0.01, ArrowLeft: now - 0.01, PageUp: now + 0.1, PageDown: now - 0.1, Home: 0, End: 1 };
    if (!(event.key in steps)) return;
    set(which, k, steps[event.key]);
    event.preventDefault();
  });
}
show();
