// Level lines of a surface on a grid, by marching squares; and the surface as shades.

import { colour } from "/web/dom.js";
import { parsed } from "/web/plane.js";

/** Levels that follow the numbers: as many of them below each line as above the next. */
export function levels(numbers, count = 14) {
  const sorted = [...numbers].filter(Number.isFinite).sort((a, b) => a - b);
  return Array.from(
    { length: count },
    (_, k) => sorted[Math.floor(((k + 0.5) / count) ** 1.6 * (sorted.length - 1))],
  ).filter((one, k, all) => one !== undefined && one !== all[k - 1]);
}

/** Paint shades and lines of a grid (rows from the top) over the whole canvas. */
export function contour(canvas, numbers, rows, columns, lines = levels(numbers)) {
  const pen = canvas.getContext("2d");
  const small = document.createElement("canvas");
  small.width = columns;
  small.height = rows;
  const image = new ImageData(columns, rows);
  const [deep, paper] = [parsed(colour("--accent")), parsed(colour("--ground"))];
  for (let k = 0; k < rows * columns; k++) {
    const below = lines.findIndex((one) => numbers[k] < one);
    const share = 0.38 * (1 - (below < 0 ? lines.length : below) / Math.max(1, lines.length));
    for (let c = 0; c < 3; c++) image.data[4 * k + c] = paper[c] + (deep[c] - paper[c]) * share;
    image.data[4 * k + 3] = 255;
  }
  small.getContext("2d").putImageData(image, 0, 0);
  pen.drawImage(small, 0, 0, canvas.width, canvas.height);
  const [w, t] = [canvas.width / (columns - 1), canvas.height / (rows - 1)];
  pen.strokeStyle = colour("--axis");
  pen.lineWidth = 1;
  pen.beginPath();
  for (const line of lines) {
    for (let row = 0; row + 1 < rows; row++) {
      for (let column = 0; column + 1 < columns; column++) cell(pen, numbers, columns, row, column, line, w, t);
    }
  }
  pen.stroke();
}

function cell(pen, numbers, columns, row, column, line, w, t) {
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
    if (a < line !== b < line) {
      const share = (line - a) / (b - a);
      cuts.push([(ax + share * (bx - ax)) * w, (ay + share * (by - ay)) * t]);
    }
  }
  for (let k = 0; k + 1 < cuts.length; k += 2) {
    pen.moveTo(...cuts[k]);
    pen.lineTo(...cuts[k + 1]);
  }
}
