// The plane of a toy: the probability of each class as colour, the boundary as a line, points on top.

import { colour, h } from "/web/dom.js";

const SHAPES = ["circle", "square", "triangle", "diamond", "cross"];

/** `#rrggbb` as three numbers. */
export function parsed(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/** A canvas of the plane. `picked(index)` is told of a point that is clicked. */
export function plane(label, picked) {
  const canvas = h("canvas", {
    class: "plane",
    width: 480,
    height: 480,
    role: "img",
    tabindex: 0,
    "aria-label": label,
    on: {
      click: (event) => {
        const box = canvas.getBoundingClientRect();
        nearest((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
      },
      keydown: (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step || !data) return;
        chosen = (chosen + step + data.labels.length) % data.labels.length;
        event.preventDefault();
        event.stopPropagation();
        picked(chosen);
        draw();
      },
    },
  });
  const pen = canvas.getContext("2d");
  const small = document.createElement("canvas");
  let data = null;
  let field = null;
  let chosen = -1;

  function nearest(x, y) {
    if (!data) return;
    let best = 1e9;
    data.points.forEach((point, index) => {
      const [px, py] = place(point);
      const away = (px / canvas.width - x) ** 2 + (py / canvas.height - y) ** 2;
      if (away < best) [best, chosen] = [away, index];
    });
    picked(chosen);
    draw();
  }

  function place([x, y]) {
    const [left, bottom, right, top] = data.box;
    return [((x - left) / (right - left)) * canvas.width, ((top - y) / (top - bottom)) * canvas.height];
  }

  function ground() {
    const [rows, columns, classes] = field.shape;
    small.width = columns;
    small.height = rows;
    const image = new ImageData(columns, rows);
    const inks = Array.from({ length: classes }, (_, k) => parsed(colour(`--c${k}`)));
    const paper = parsed(colour("--ground"));
    for (let cell = 0; cell < rows * columns; cell++) {
      let best = 0;
      for (let k = 1; k < classes; k++)
        if (field.floats[cell * classes + k] > field.floats[cell * classes + best]) best = k;
      const sure = (field.floats[cell * classes + best] - 1 / classes) / (1 - 1 / classes);
      const share = 0.08 + 0.34 * Math.max(0, Math.min(1, sure));
      for (let c = 0; c < 3; c++) image.data[cell * 4 + c] = paper[c] + (inks[best][c] - paper[c]) * share;
      image.data[cell * 4 + 3] = 255;
    }
    small.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = true;
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    boundary(rows, columns, classes);
  }

  function boundary(rows, columns, classes) {
    // Where the winner changes from one cell to the next: seen without colours too.
    const winner = (row, column) => {
      const at = (row * columns + column) * classes;
      let best = 0;
      for (let k = 1; k < classes; k++) if (field.floats[at + k] > field.floats[at + best]) best = k;
      return best;
    };
    const [w, t] = [canvas.width / columns, canvas.height / rows];
    pen.strokeStyle = colour("--text");
    pen.lineWidth = 1.2;
    pen.beginPath();
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const own = winner(row, column);
        if (column + 1 < columns && winner(row, column + 1) !== own) {
          pen.moveTo((column + 1) * w, row * t);
          pen.lineTo((column + 1) * w, (row + 1) * t);
        }
        if (row + 1 < rows && winner(row + 1, column) !== own) {
          pen.moveTo(column * w, (row + 1) * t);
          pen.lineTo((column + 1) * w, (row + 1) * t);
        }
      }
    }
    pen.stroke();
  }

  function draw() {
    pen.fillStyle = colour("--ground");
    pen.fillRect(0, 0, canvas.width, canvas.height);
    if (!data) return;
    if (field) ground();
    pen.lineWidth = 1.2;
    data.points.forEach((point, index) => {
      const [x, y] = place(point);
      pen.fillStyle = colour(`--c${data.labels[index] % 8}`);
      pen.strokeStyle = colour("--ground");
      marker(pen, SHAPES[data.labels[index] % SHAPES.length], x, y, 5);
    });
    if (chosen >= 0 && chosen < data.points.length) {
      const [x, y] = place(data.points[chosen]);
      pen.strokeStyle = colour("--text");
      pen.lineWidth = 2.5;
      pen.beginPath();
      pen.arc(x, y, 11, 0, 7);
      pen.stroke();
    }
  }

  return {
    element: canvas,
    points(found) {
      data = found;
      field = null;
      chosen = -1;
      draw();
    },
    field(found) {
      field = found;
      draw();
    },
    draw,
  };
}

/** A filled sign at a place; the shape tells the class as well as the colour does. */
export function marker(pen, shape, x, y, size) {
  pen.beginPath();
  if (shape === "circle") pen.arc(x, y, size, 0, 7);
  else if (shape === "square") pen.rect(x - size * 0.9, y - size * 0.9, size * 1.8, size * 1.8);
  else if (shape === "triangle") {
    pen.moveTo(x, y - size * 1.2);
    pen.lineTo(x + size * 1.1, y + size * 0.8);
    pen.lineTo(x - size * 1.1, y + size * 0.8);
    pen.closePath();
  } else if (shape === "diamond") {
    pen.moveTo(x, y - size * 1.3);
    pen.lineTo(x + size * 1.3, y);
    pen.lineTo(x, y + size * 1.3);
    pen.lineTo(x - size * 1.3, y);
    pen.closePath();
  } else {
    const [a, b] = [size * 0.4, size * 1.2];
    for (const [dx, dy] of [
      [-a, -b],
      [a, -b],
      [a, -a],
      [b, -a],
      [b, a],
      [a, a],
      [a, b],
      [-a, b],
      [-a, a],
      [-b, a],
      [-b, -a],
      [-a, -a],
    ]) {
      pen.lineTo(x + dx, y + dy);
    }
    pen.closePath();
  }
  pen.fill();
  pen.stroke();
}
