// Level lines of a surface on a grid, by marching squares; and the surface as shades.

import { colour, parsed } from "/web/dom.js";
import { short } from "/web/number.js";
import { scale } from "/web/scale.js";

const EACH = 3; // every third line has its number on it
const APART = 70;
const FONT = "12px system-ui, sans-serif";

/** How many of a canvas's own pixels are one of the page's. */
export const unit = (canvas) => canvas.width / (canvas.clientWidth || 600);

/** Levels that follow the numbers: as many of them below each line as above the next. */
export function levels(numbers, count = 14) {
  const sorted = [...numbers].filter(Number.isFinite).sort((a, b) => a - b);
  return Array.from(
    { length: count },
    (_, k) => sorted[Math.floor(((k + 0.5) / count) ** 1.6 * (sorted.length - 1))],
  ).filter((one, k, all) => one !== undefined && one !== all[k - 1]);
}

/** Paint shades and lines of a grid (rows from the top) over the whole canvas; no number comes near `busy` places. */
export function contour(canvas, numbers, rows, columns, lines = levels(numbers), busy = []) {
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
  // The middle of a pixel is a point of the grid: the first and last ones lie on the edges.
  pen.drawImage(small, 0.5, 0.5, columns - 1, rows - 1, 0, 0, canvas.width, canvas.height);
  const [w, t] = [canvas.width / (columns - 1), canvas.height / (rows - 1)];
  pen.strokeStyle = colour("--axis");
  pen.lineWidth = unit(canvas);
  pen.beginPath();
  const crossed = lines.map(() => []);
  lines.forEach((line, k) => {
    for (let row = 0; row + 1 < rows; row++) {
      for (let column = 0; column + 1 < columns; column++) {
        const found = cell(pen, numbers, columns, row, column, line, w, t);
        if (found) crossed[k].push(found);
      }
    }
  });
  pen.stroke();
  label(canvas, lines, crossed, busy);
}

/** Write on some lines which number they are of, each where there is room. */
function label(canvas, lines, crossed, busy) {
  const [width, height, apart] = [canvas.width, canvas.height, APART * unit(canvas)];
  const taken = [...busy];
  const room = ([x, y]) => {
    const edge = Math.min(x, y, width - x, height - y) - apart / 3;
    return Math.min(edge, ...taken.map(([a, b]) => Math.hypot(a - x, b - y)));
  };
  lines.forEach((line, k) => {
    if (k % EACH !== 1 || !crossed[k].length) return;
    const best = crossed[k].reduce((a, b) => (room(b) > room(a) ? b : a));
    if (room(best) < apart * 0.6) return;
    taken.push(best);
    write(canvas, short(line, 3), ...best);
  });
}

/** A text on a canvas that can be read on any ground. */
export function write(canvas, text, x, y, { align = "center", ink = "--quiet" } = {}) {
  const pen = canvas.getContext("2d");
  pen.save();
  pen.scale(unit(canvas), unit(canvas));
  pen.font = FONT;
  pen.textAlign = align;
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  pen.lineWidth = 3.5;
  pen.strokeStyle = colour("--ground");
  pen.fillStyle = colour(ink);
  const place = [x / unit(canvas), y / unit(canvas)];
  pen.strokeText(text, ...place);
  pen.fillText(text, ...place);
  pen.restore();
}

/** Numbers along the lower and the left edge; names of both axes, at their ends. */
export function axes(canvas, [left, bottom, right, top], [across, up]) {
  const [width, height, one] = [canvas.width, canvas.height, unit(canvas)];
  const ink = { ink: "--text" };
  const free = (at, most) => at > 34 * one && at < most - 42 * one;
  for (const { at, text } of scale([left, right], 0, width / one).ticks) {
    if (free(at * one, width)) write(canvas, text, at * one, height - 10 * one, ink);
  }
  for (const { at, text } of scale([bottom, top], height / one, 0).ticks) {
    if (free(at * one, height)) write(canvas, text, 6 * one, at * one, { ...ink, align: "left" });
  }
  write(canvas, across, width - 8 * one, height - 10 * one, { ...ink, align: "right" });
  write(canvas, up, 6 * one, 12 * one, { ...ink, align: "left" });
}

/** Draw the line through a cell; answers with a place on it, or nothing. */
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
  return cuts.length ? cuts[0] : null;
}
