// A Jacobian as a board of cells: clicking an output or an input lights what depends on it.

const data = JSON.parse(document.getElementById("data").textContent);
const svg = document.querySelector("#stage svg");
const said = document.getElementById("said");
const SIDE = 52;
const LEFT = 74;
const TOP = 84;

let layer = data.layers[0];
let picked = null;

function piece(tag, attributes, parent = svg) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent.append(made);
  return made;
}

function cell(name, column, row, text, kind, act) {
  const [x, y] = [LEFT + SIDE * column, TOP + SIDE * row];
  const group = piece("g", { class: `cell ${kind}`, "data-name": name });
  piece("rect", { x, y, width: SIDE, height: SIDE }, group);
  piece("text", { x: x + SIDE / 2, y: y + SIDE / 2 + 4.5, "text-anchor": "middle" }, group).textContent = text;
  if (act) {
    group.setAttribute("role", "button");
    group.setAttribute("tabindex", "0");
    group.setAttribute("aria-label", `${name} = ${text}`);
    group.addEventListener("click", act);
    group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      act();
    });
  }
  return group;
}

const sub = (letter, k) => letter + String(k + 1).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);

function build() {
  svg.replaceChildren();
  layer.x.forEach((value, j) => {
    piece("text", { x: LEFT + SIDE * (j + 0.5), y: 14, "text-anchor": "middle", class: "quiet" }).textContent = sub("x", j);
    cell(sub("x", j), j, -1.2, value, "input", () => pick("input", j));
  });
  layer.y.forEach((value, i) => {
    piece("text", { x: 8, y: TOP + SIDE * (i + 0.5) + 4.5, class: "quiet" }).textContent = sub("f", i);
    cell(sub("f", i), -1, i, value, "output", () => pick("output", i));
    layer.entries[i].forEach((entry, j) => {
      const group = cell(`${i},${j}`, j, i, entry, "entry", () => pick("output", i));
      group.removeAttribute("tabindex");
      group.querySelector("rect").style.fillOpacity = 0.12 + 0.88 * layer.size[i][j];
      if (entry === "0") group.classList.add("none");
      if (entry.startsWith("−")) group.classList.add("minus");
    });
  });
  show();
}

function pick(kind, place) {
  picked = picked && picked.kind === kind && picked.place === place ? null : { kind, place };
  show();
}

function show() {
  const lit = new Set();
  let told = layer.told;
  if (picked) {
    const rows = picked.kind === "output";
    const line = rows ? layer.entries[picked.place] : layer.entries.map((row) => row[picked.place]);
    const found = [];
    line.forEach((entry, k) => {
      lit.add(rows ? `${picked.place},${k}` : `${k},${picked.place}`);
      if (entry === "0") return;
      lit.add(sub(rows ? "x" : "f", k));
      found.push(`${sub(rows ? "x" : "f", k)}: ${entry}`);
    });
    lit.add(sub(rows ? "f" : "x", picked.place));
    told = data.words[rows ? "row" : "column"]
      .replaceAll("{name}", sub(rows ? "f" : "x", picked.place))
      .replace("{found}", found.join(", ") || data.words.nothing);
  }
  for (const one of svg.querySelectorAll(".cell")) {
    one.classList.toggle("lit", lit.has(one.dataset.name));
    if (one.hasAttribute("tabindex")) {
      one.setAttribute("aria-pressed", Boolean(picked) && one.dataset.name === sub(picked.kind === "output" ? "f" : "x", picked.place));
    }
  }
  said.textContent = picked ? told : `${told}\n${data.words.begin}`;
}

for (const one of data.layers) {
  const button = document.createElement("button");
  button.textContent = one.label;
  button.setAttribute("aria-pressed", one === layer);
  button.addEventListener("click", () => {
    layer = one;
    picked = null;
    for (const other of button.parentElement.children) other.setAttribute("aria-pressed", other === button);
    build();
  });
  document.getElementById("controls").append(button);
}
build();
