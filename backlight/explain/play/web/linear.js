// A linear classifier in the plane: drag points, step along the gradient, see every point's loss.

const data = JSON.parse(document.getElementById("data").textContent);
const svg = document.querySelector("#stage svg");
const said = document.getElementById("said");
const SIZE = 400;
const EDGE = 15;
const CELLS = 100;
const MARKS = ["circle", "square", "diamond"];

let points = [];
let weights = [];
let hinge = true;
let timer = 0;

const across = (x) => EDGE + ((x + 1) / 2) * SIZE;
const down = (y) => EDGE + ((1 - y) / 2) * SIZE;
const scores = ([x, y]) => weights.map(([a, b, c]) => a * x + b * y + c);
const best = (values) => values.indexOf(Math.max(...values));

/** The loss of a point, and its slope by each score. */
function judged({ at, label }) {
  const s = scores(at);
  if (hinge) {
    const over = s.map((one, k) => (k === label ? 0 : Math.max(0, one - s[label] + 1)));
    const slope = over.map((one) => (one > 0 ? 1 : 0));
    slope[label] = -slope.reduce((sum, one) => sum + one, 0);
    return { loss: over.reduce((sum, one) => sum + one, 0), slope };
  }
  const most = Math.max(...s);
  const powers = s.map((one) => Math.exp(one - most));
  const sum = powers.reduce((total, one) => total + one, 0);
  const slope = powers.map((one, k) => one / sum - (k === label ? 1 : 0));
  return { loss: Math.log(sum) - (s[label] - most), slope };
}

/** One step against the gradient of the mean loss. */
function step() {
  const change = weights.map(() => [0, 0, 0]);
  for (const point of points) {
    judged(point).slope.forEach((slope, k) => {
      [...point.at, 1].forEach((input, i) => (change[k][i] += (slope * input) / points.length));
    });
  }
  weights = weights.map((row, k) => row.map((one, i) => one - data.rate * change[k][i]));
  show();
}

function piece(tag, attributes, parent = svg) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent.append(made);
  return made;
}

/** Where the line of a class leaves the square; nothing if it does not cross it. */
function ends([a, b, c]) {
  const found = [];
  for (const side of [-1, 1]) {
    if (b !== 0 && Math.abs((a * side + c) / b) <= 1) found.push([side, -(a * side + c) / b]);
    if (a !== 0 && Math.abs((b * side + c) / a) <= 1) found.push([-(b * side + c) / a, side]);
  }
  return found.slice(0, 2);
}

function mark(shape, x, y, parent) {
  if (shape === "circle") return piece("circle", { cx: x, cy: y, r: 8 }, parent);
  const turned = shape === "diamond" ? { transform: `rotate(45 ${x} ${y})` } : {};
  return piece("rect", { x: x - 7, y: y - 7, width: 14, height: 14, ...turned }, parent);
}

const fields = piece("g", { "aria-hidden": "true" });
const lines = piece("g", {});
const dots = piece("g", {});

function ground() {
  fields.replaceChildren();
  const side = SIZE / CELLS;
  for (let row = 0; row < CELLS; row += 1) {
    let begin = 0;
    let now = -1;
    for (let column = 0; column <= CELLS; column += 1) {
      const at = [(2 * (column + 0.5)) / CELLS - 1, 1 - (2 * (row + 0.5)) / CELLS];
      const winner = column < CELLS ? best(scores(at)) : -2;
      if (winner === now) continue;
      if (now >= 0) {
        const width = (column - begin) * side;
        piece("rect", { class: `field k${now}`, x: EDGE + begin * side, y: EDGE + row * side, width, height: side }, fields);
      }
      [begin, now] = [column, winner];
    }
  }
}

function show() {
  ground();
  lines.replaceChildren();
  weights.forEach((row, k) => {
    const found = ends(row);
    if (found.length < 2) return;
    const [[x1, y1], [x2, y2]] = found;
    const how = { class: `edge k${k}`, "data-row": row.join(",") };
    piece("line", { ...how, x1: across(x1), y1: down(y1), x2: across(x2), y2: down(y2) }, lines);
    const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
    const long = Math.hypot(row[0], row[1]);
    const tip = [across(x + (0.14 * row[0]) / long), down(y + (0.14 * row[1]) / long)];
    piece("line", { class: `edge k${k}`, x1: across(x), y1: down(y), x2: tip[0], y2: tip[1] }, lines);
    piece("circle", { class: `tip k${k}`, cx: tip[0], cy: tip[1], r: 4 }, lines);
  });
  let [total, right] = [0, 0];
  points.forEach((point) => {
    const { loss } = judged(point);
    const [x, y] = [across(point.at[0]), down(point.at[1])];
    total += loss / points.length;
    right += best(scores(point.at)) === point.label ? 1 : 0;
    point.group.setAttribute("data-at", point.at.join(","));
    point.group.setAttribute("transform", `translate(${x} ${y})`);
    point.group.querySelector("text").textContent = loss.toFixed(2);
    point.group.setAttribute(
      "aria-label",
      data.words.point
        .replace("{label}", point.label)
        .replace("{x}", point.at[0].toFixed(2))
        .replace("{y}", point.at[1].toFixed(2))
        .replace("{loss}", loss.toFixed(2)),
    );
  });
  said.textContent = data.words.say
    .replace("{loss}", total.toFixed(4))
    .replace("{right}", right)
    .replace("{count}", points.length)
    .replace("{weights}", weights.map((row) => `(${row.map((one) => one.toFixed(2).replace("-", "−")).join(", ")})`).join("  "));
}

function move(point, x, y) {
  point.at = [x, y].map((one) => Math.max(-1, Math.min(1, one)));
  show();
}

function begin() {
  weights = data.weights.map((row) => [...row]);
  dots.replaceChildren();
  points = data.points.map(({ at, label }) => {
    const group = piece("g", { class: `dot k${label}`, tabindex: 0, role: "button" }, dots);
    mark(MARKS[label], 0, 0, group);
    piece("text", { x: 0, y: -13, "text-anchor": "middle" }, group);
    const point = { at: [...at], label, group };
    group.addEventListener("pointerdown", (event) => group.setPointerCapture(event.pointerId));
    group.addEventListener("pointermove", (event) => {
      if (!group.hasPointerCapture(event.pointerId)) return;
      const there = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      move(point, (2 * (there.x - EDGE)) / SIZE - 1, 1 - (2 * (there.y - EDGE)) / SIZE);
    });
    group.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      if (!(event.key in moves)) return;
      const [right, up] = moves[event.key];
      move(point, point.at[0] + 0.05 * right, point.at[1] + 0.05 * up);
      event.preventDefault();
    });
    return point;
  });
  show();
}

function put(label, act) {
  const made = document.createElement("button");
  made.textContent = label;
  made.addEventListener("click", () => act(made));
  document.getElementById("controls").append(made);
  return made;
}

put(data.words.step, step);
put(data.words.play, (button) => {
  clearInterval(timer);
  timer = timer ? 0 : setInterval(step, 60);
  button.textContent = timer ? data.words.pause : data.words.play;
  button.setAttribute("aria-pressed", Boolean(timer));
}).setAttribute("aria-pressed", false);
const losses = [true, false].map((one) =>
  put(data.words[one ? "hinge" : "softmax"], () => {
    hinge = one;
    losses.forEach((button, k) => button.setAttribute("aria-pressed", (k === 0) === hinge));
    show();
  }),
);
losses.forEach((button, k) => button.setAttribute("aria-pressed", k === 0));
put(data.words.start, begin);
begin();
