// Arrays as small pictures: blue below zero, orange above, the ground where a number is zero.

import { colour, h, parsed } from "/web/dom.js";

/** Paint numbers (rows × columns) on a canvas, with a scale of their own unless one is given. */
export function paint(canvas, numbers, rows, columns, largest = 0) {
  canvas.width = columns;
  canvas.height = rows;
  let most = largest;
  if (!most) for (const one of numbers) most = Math.max(most, Math.abs(one));
  const [low, high, zero] = ["--low", "--high", "--zero"].map((name) => parsed(colour(name)));
  const image = new ImageData(columns, rows);
  for (let k = 0; k < rows * columns; k++) {
    const share = most ? Math.max(-1, Math.min(1, numbers[k] / most)) : 0;
    const ink = share < 0 ? low : high;
    for (let c = 0; c < 3; c++) image.data[4 * k + c] = zero[c] + (ink[c] - zero[c]) * Math.sqrt(Math.abs(share));
    image.data[4 * k + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** A canvas with such a picture. */
export function heat(numbers, rows, columns, label) {
  return paint(
    h("canvas", { class: "pixels", role: "img", "aria-label": label, title: label }),
    numbers,
    rows,
    columns,
  );
}
