// The maps of one layer of a net: its values, and the gradients of the loss by them.

import { h, put } from "/web/dom.js";
import { paint } from "/web/heat.js";

const MOST_MAPS = 32;

/** Two rows of maps; `picked(index)` is told of the number that is clicked. */
export function netMaps(page, picked) {
  const values = h("div", { class: "maps" });
  const slopes = h("div", { class: "maps" });
  let shape = [1, 1, 1];

  function show(found) {
    shape = found.map.length === 3 ? found.map : [1, 1, found.map[0]];
    const [channels, rows, columns] = shape;
    const wide = Math.min(channels, MOST_MAPS);
    const size = channels * rows * columns;
    [values, slopes].forEach((into, which) => {
      if (into.childElementCount !== wide)
        put(
          into,
          Array.from({ length: wide }, (_, k) => made(k)),
        );
      let most = 0;
      for (let k = which * size; k < (which + 1) * size; k++) most = Math.max(most, Math.abs(found.floats[k]));
      for (let k = 0; k < wide; k++) {
        const from = which * size + k * rows * columns;
        const canvas = paint(into.children[k], found.floats.subarray(from, from + rows * columns), rows, columns, most);
        canvas.style.setProperty("width", rows === 1 ? "100%" : extent(columns, wide));
        canvas.style.setProperty("height", rows === 1 ? "24px" : extent(rows, wide));
      }
    });
  }

  /** Few maps are shown large. */
  const extent = (cells, count) => `${Math.max(44, Math.min(count <= 4 ? 184 : 96, (count <= 4 ? 8 : 4) * cells))}px`;

  function made(channel) {
    const label = page.say("net.channel", { number: channel });
    return h("canvas", {
      role: "img",
      "aria-label": label,
      title: label,
      on: { click: (event) => cell(event, channel) },
    });
  }

  function cell(event, channel) {
    const [, rows, columns] = shape;
    const box = event.target.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * columns);
    const y = Math.floor(((event.clientY - box.top) / box.height) * rows);
    picked(channel * rows * columns + y * columns + x);
  }

  return { values, slopes, show };
}
