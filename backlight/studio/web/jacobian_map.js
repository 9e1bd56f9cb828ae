// A Jacobian as a matrix of colours: a row for each number of the output, a column for each of the input.
// A row that is picked shows which inputs its output depends on; below stands upstream × Jacobian.

import { h, put, s } from "/web/dom.js";
import { short } from "/web/number.js";

const [ROOM, LARGEST, WRITTEN, GAP, EDGE] = [400, 46, 40, 12, 46];

/** The name of one number of an array. */
function called(name, shape, at) {
  if (!shape.length) return name;
  const index = [];
  for (const size of [...shape].reverse()) {
    index.unshift(at % size);
    at = Math.floor(at / size);
  }
  return `${name}[${index.join(", ")}]`;
}

/** The picture of one Jacobian, with its sentence; `remembered` holds which row was picked. */
export function jacobianMap(page, one, remembered = new Map()) {
  const { say } = page;
  const [rows, columns] = [one.upstream.length, one.product.length];
  const unit = Math.max(5, Math.min(LARGEST, Math.floor(ROOM / Math.max(rows, columns + 2))));
  const [left, top] = [EDGE + unit + GAP, 16];
  const bottom = top + rows * unit + GAP;
  const largest = (numbers) => Math.max(0, ...numbers.filter((x) => typeof x === "number").map(Math.abs));
  const most = { entries: largest(one.entries), upstream: largest(one.upstream), product: largest(one.product) };
  const title = say("circuit.jacobian_of", { output: one.output, input: one.input });
  const sentence = h("p", { class: "note", role: "status" });
  const svg = s("svg", {
    class: "jacobian",
    width: left + columns * unit + 6,
    height: bottom + unit + 6,
    tabindex: 0,
    role: "img",
    "data-jacobian-map": true,
    on: { keydown: press },
  });
  let picked = rows === 1 ? 0 : (remembered.get(title) ?? null);
  if (picked >= rows) picked = null;

  function cell(x, y, value, largest, pale, row = null) {
    const share = largest && typeof value === "number" ? Math.round(85 * Math.sqrt(Math.abs(value) / largest)) : 0;
    const ink = `color-mix(in srgb, var(${value < 0 ? "--low" : "--high"}) ${share}%, var(--zero))`;
    const on = row === null ? {} : { click: () => pick(row) };
    return s(
      "g",
      { class: pale ? "faint" : null, on, "data-row": row, "aria-hidden": "true" },
      s("rect", { x, y, width: unit - 1, height: unit - 1, style: { fill: ink } }),
      unit >= WRITTEN ? s("text", { x: x + unit / 2, y: y + unit / 2 + 3.5, class: "in" }, short(value, 2)) : null,
    );
  }

  /** The outline of a row. */
  function frame(row) {
    const [y, width] = [top + row * unit - 2, columns * unit + 3];
    return s("rect", { class: "row", x: left - 2, y, width, height: unit + 3 });
  }

  const faint = (row) => picked !== null && picked !== row;

  function draw() {
    const label = (x, y, text, kind = "") => s("text", { x, y, class: kind }, text);
    const line = (k) => one.entries.slice(k * columns, (k + 1) * columns);
    put(
      svg,
      label(EDGE + unit / 2, 11, `∇${one.output}`.slice(0, 8), "gradient"),
      one.upstream.map((value, k) => [
        unit >= 12 ? label(EDGE - 6, top + k * unit + unit / 2 + 4, `[${k}]`, "side") : null,
        cell(EDGE, top + k * unit, value, most.upstream, faint(k), k),
        line(k).map((entry, c) => cell(left + c * unit, top + k * unit, entry, most.entries, faint(k), k)),
      ]),
      label(left - 8, bottom + unit / 2 + 4, `∇${one.input}`.slice(0, 8), "side gradient"),
      one.product.map((value, c) => cell(left + c * unit, bottom, value, most.product, false)),
      picked !== null && rows > 1 && frame(picked),
    );
    remembered.set(title, picked);
    put(sentence, told());
    light();
    svg.setAttribute("aria-label", `${title}. ${told()}`);
  }

  function told() {
    if (picked === null) return say("circuit.pick_row", { rows, columns });
    const entries = one.entries.slice(picked * columns, (picked + 1) * columns);
    const lit = entries.map((value, c) => [value, c]).filter(([value]) => value !== 0);
    const named = [...lit]
      .sort(([a], [b]) => Math.abs(b) - Math.abs(a))
      .slice(0, 6)
      .map(([value, c]) => `${called(one.input, one.input_shape, c)} ${short(value, 3)}`);
    const output = called(one.output, one.output_shape, picked);
    if (!lit.length) return say("circuit.lit_none", { output, all: columns });
    return say("circuit.lit", {
      output,
      count: lit.length,
      all: columns,
      inputs: named.join(", ") + (lit.length > 6 ? ", …" : ""),
    });
  }

  /** The entries of the input, where each has a field of its own on the screen. */
  function light() {
    for (const field of document.querySelectorAll("[data-entry]")) field.parentElement.classList.remove("lit");
    if (picked === null || rows === 1) return;
    for (let c = 0; c < columns; c++) {
      if (one.entries[picked * columns + c] === 0) continue;
      const place = called("", one.input_shape, c).slice(1, -1);
      document.querySelector(`[data-entry="${CSS.escape(`${one.input} ${place}`)}"]`)?.parentElement.classList.add("lit");
    }
  }

  function pick(row) {
    picked = picked === row ? null : row;
    draw();
  }

  function press(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step && event.key !== "Escape") return;
    picked = step ? ((picked ?? (step > 0 ? -1 : 0)) + step + rows) % rows : null;
    draw();
    event.preventDefault();
    event.stopPropagation();
  }

  draw();
  return h("figure", { class: "jacobian" }, h("figcaption", {}, title), h("div", { class: "wide" }, svg), sentence);
}
