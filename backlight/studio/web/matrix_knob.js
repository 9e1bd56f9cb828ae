// An array among the inputs: every entry a number that is dragged sideways, typed, or moved by arrow keys,
// with its gradient below it. The two have one shape, and the colour tells how much each entry contributes.

import { h, put } from "/web/dom.js";
import { short } from "/web/number.js";

const [MOST_ROWS, MOST_COLUMNS, PER_PIXEL] = [12, 8, 0.01];

/** Whether an array is small enough for a field an entry. */
export function isSmall(value) {
  const rows = Array.isArray(value[0]) ? value : [value];
  const even = rows.every((row) => Array.isArray(row) && row.length === rows[0].length && row.every(Number.isFinite));
  return even && rows.length <= MOST_ROWS && rows[0].length >= 1 && rows[0].length <= MOST_COLUMNS;
}

/** The shape of a nested array, as one says it. */
export function shape(value) {
  const sizes = [];
  for (let one = value; Array.isArray(one); one = one[0]) sizes.push(one.length);
  return sizes.length === 1 ? `(${sizes[0]})` : sizes.join("×");
}

/**
 * The fields of one array. `read()` answers with it, `moved()` is told of every change, `settled()` when a
 * drag ends or a number was typed, `focused()` when a field has the focus.
 */
export function matrixKnob(say, name, read, { moved, settled, focused }) {
  const flat = !Array.isArray(read()[0]);
  const rows = flat ? 1 : read().length;
  const columns = flat ? read().length : read()[0].length;
  const cells = Array.from({ length: rows * columns }, (_, place) => cell(Math.floor(place / columns), place % columns));
  const same = h("small", { class: "shapes" });

  const at = (row, column) => (flat ? read()[column] : read()[row][column]);
  const set = (row, column, value) => {
    const exact = Number(value.toFixed(6));
    if (flat) read()[column] = exact;
    else read()[row][column] = exact;
  };

  function cell(row, column) {
    const place = flat ? `${column}` : `${row}, ${column}`;
    const number = h("input", {
      type: "number",
      step: "any",
      "aria-label": say("circuit.value_of", { name: `${name}[${place}]` }),
      title: say("circuit.drag_entry"),
      "data-entry": `${name} ${place}`,
      on: {
        focus: () => focused(() => [row, column]),
        change: () => {
          if (number.value === "" || !Number.isFinite(Number(number.value))) return;
          change(Number(number.value));
          settled();
        },
        keydown: (event) => {
          const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
          if (!step) return;
          event.preventDefault();
          change(at(row, column) + step * (event.shiftKey ? 0.1 : 0.01));
          settled();
        },
        pointerdown: grab,
      },
    });
    const gradient = h("span", { class: "gradient" });
    const strip = h("i", {});
    const made = { number, gradient, strip, element: h("span", { class: "entry" }, number, gradient, strip), row, column };

    function change(value) {
      set(row, column, value);
      number.value = at(row, column);
      moved();
    }

    function grab(event) {
      const [from, value] = [event.clientX, at(row, column)];
      let dragged = false;
      number.setPointerCapture(event.pointerId);
      number.onpointermove = (next) => {
        if (!dragged && Math.abs(next.clientX - from) < 4) return;
        dragged = true;
        change(value + PER_PIXEL * Math.round(next.clientX - from));
      };
      number.onpointerup = number.onpointercancel = () => {
        number.onpointermove = number.onpointerup = number.onpointercancel = null;
        if (dragged) settled();
      };
    }
    return made;
  }

  function write() {
    for (const one of cells) {
      const value = at(one.row, one.column);
      if (Number(one.number.value) !== value || one.number.value === "") one.number.value = Number(value.toPrecision(6));
    }
  }

  /** The gradient of each entry, as an array of the same shape. */
  function slopes(found) {
    const numbers = found?.flat() ?? [];
    const known = numbers.filter((one) => typeof one === "number").map(Math.abs);
    const largest = Math.max(0, ...known);
    cells.forEach((one, place) => {
      const slope = numbers[place] ?? null;
      one.gradient.textContent = short(slope, Math.abs(slope) < 1e-3 ? 2 : 3);
      const share = largest && typeof slope === "number" ? Math.round(100 * Math.sqrt(Math.abs(slope) / largest)) : 0;
      const ink = slope < 0 ? "--low" : "--high";
      one.strip.style.setProperty("background", `color-mix(in srgb, var(${ink}) ${share}%, var(--zero))`);
    });
    put(same, found ? say("circuit.same_shape", { name, shape: shape(read()), gradient: shape(found) }) : "");
  }

  write();
  return {
    write,
    slopes,
    nudge: ([row, column], by) => {
      set(row, column, at(row, column) + by);
      write();
      moved();
    },
    shape: `${rows}×${columns}${flat}`,
    element: h(
      "div",
      { class: "matrix-of", role: "group", "aria-label": `${name} ${shape(read())}` },
      h(
        "div",
        { class: "entries", style: { "grid-template-columns": `repeat(${columns}, minmax(3.4rem, 1fr))` } },
        cells.map((one) => one.element),
      ),
      same,
    ),
  };
}
