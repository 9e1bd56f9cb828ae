// The probability of each class over a plane as colour, and the boundary between classes as a line.

import { colour, parsed } from "/web/dom.js";

const small = document.createElement("canvas");

/** Paint a field (rows × columns × classes, the top row first) over the whole canvas. */
export function paintField(canvas, floats, rows, columns, classes) {
  small.width = columns;
  small.height = rows;
  const image = new ImageData(columns, rows);
  const inks = Array.from({ length: classes }, (_, k) => parsed(colour(`--c${k}`)));
  const paper = parsed(colour("--ground"));
  for (let cell = 0; cell < rows * columns; cell++) {
    let best = 0;
    for (let k = 1; k < classes; k++) if (floats[cell * classes + k] > floats[cell * classes + best]) best = k;
    const sure = (floats[cell * classes + best] - 1 / classes) / (1 - 1 / classes);
    const share = 0.08 + 0.34 * Math.max(0, Math.min(1, sure));
    for (let c = 0; c < 3; c++) image.data[cell * 4 + c] = paper[c] + (inks[best][c] - paper[c]) * share;
    image.data[cell * 4 + 3] = 255;
  }
  small.getContext("2d").putImageData(image, 0, 0);
  const pen = canvas.getContext("2d");
  const [w, t] = [canvas.width / (columns - 1), canvas.height / (rows - 1)];
  pen.imageSmoothingEnabled = true;
  pen.drawImage(small, -w / 2, -t / 2, canvas.width + w, canvas.height + t);
  pen.strokeStyle = colour("--text");
  pen.lineWidth = 2.2;
  pen.beginPath();
  for (let k = 0; k < (classes === 2 ? 1 : classes); k++) boundary(pen, lead(floats, classes, k), rows, columns, w, t);
  pen.stroke();
}

/** By how much each place prefers one class to the best of the others. */
function lead(floats, classes, which) {
  const found = new Float32Array(floats.length / classes);
  for (let cell = 0; cell < found.length; cell++) {
    let other = 0;
    for (let k = 0; k < classes; k++) if (k !== which) other = Math.max(other, floats[cell * classes + k]);
    found[cell] = floats[cell * classes + which] - other;
  }
  return found;
}

/** The line where the numbers pass zero, by marching squares: seen without colours too. */
function boundary(pen, numbers, rows, columns, w, t) {
  for (let row = 0; row + 1 < rows; row++) {
    for (let column = 0; column + 1 < columns; column++) {
      const at = row * columns + column;
      const corners = [
        [numbers[at], column, row],
        [numbers[at + 1], column + 1, row],
        [numbers[at + columns + 1], column + 1, row + 1],
        [numbers[at + columns], column, row + 1],
      ];
      const cuts = [];
      for (let k = 0; k < 4; k++) {
        const [a, ax, ay] = corners[k];
        const [b, bx, by] = corners[(k + 1) % 4];
        if (a < 0 === b < 0) continue;
        const share = a / (a - b);
        cuts.push([(ax + share * (bx - ax)) * w, (ay + share * (by - ay)) * t]);
      }
      for (let k = 0; k + 1 < cuts.length; k += 2) {
        pen.moveTo(...cuts[k]);
        pen.lineTo(...cuts[k + 1]);
      }
    }
  }
}
