// The plane of a toy: the probability of each class as colour, the boundary as a line, points on top.
// Points are picked, dragged, painted and erased, by mouse, finger and keys.

import { colour, h } from "/web/dom.js";
import { paintField } from "/web/field.js";

export const SHAPES = ["circle", "square", "triangle", "diamond", "cross"];
const [NEAR, FAR, APART] = [0.03, 0.008, 0.035]; // shares of the picture's width
const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/**
 * A canvas of the plane. `picked(index)` is told of a point that is chosen. `edits`: moved(index, x, y),
 * painted(x, y, label), erased(index), and tool(), which answers "pick", "erase" or a class to paint.
 */
export function plane(label, picked, edits) {
  const canvas = h("canvas", {
    class: "plane",
    width: 720,
    height: 720,
    role: "application",
    tabindex: 0,
    "aria-label": label,
    on: { pointerdown: press, pointermove: follow, pointerup: release, pointercancel: () => (held = null), keydown: key },
  });
  // A finger scrolls the page, except where it grabs a point or paints.
  canvas.addEventListener(
    "touchstart",
    (event) => {
      const [x, y] = share(event.touches[0]);
      if (edits.tool() !== "pick" || nearest(x, y)[1] < NEAR) event.preventDefault();
    },
    { passive: false },
  );
  const pen = canvas.getContext("2d");
  let data = null;
  let field = null;
  let chosen = -1;
  let held = null; // the point or the brush that is dragged

  function share(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  function nearest(x, y) {
    let [best, away] = [-1, 1e9];
    data?.points.forEach((point, index) => {
      const [px, py] = place(point);
      const far = Math.hypot(px / canvas.width - x, py / canvas.height - y);
      if (far < away) [best, away] = [index, far];
    });
    return [best, away];
  }

  function place([x, y]) {
    const [left, bottom, right, top] = data.box;
    return [((x - left) / (right - left)) * canvas.width, ((top - y) / (top - bottom)) * canvas.height];
  }

  function there([x, y]) {
    const [left, bottom, right, top] = data.box;
    const inside = (one) => Math.max(0.005, Math.min(0.995, one));
    return [left + inside(x) * (right - left), top - inside(y) * (top - bottom)].map((one) => Number(one.toFixed(4)));
  }

  // ── by mouse and finger ─────────────────────────────────────────────────────────────────────
  function press(event) {
    if (!data || event.button > 0) return;
    const at = share(event);
    const tool = edits.tool();
    canvas.setPointerCapture(event.pointerId);
    if (typeof tool === "number") {
      held = { brush: tool, at };
      edits.painted(...there(at), tool);
      return;
    }
    const [index, away] = nearest(...at);
    held = { index, at, grabbed: away < NEAR, moved: false };
    if (tool === "erase") {
      held = null;
      if (away < NEAR) edits.erased(index);
    }
  }

  function follow(event) {
    const at = share(event);
    if (!held) {
      canvas.style.setProperty("cursor", edits.tool() === "pick" && nearest(...at)[1] < NEAR ? "grab" : "crosshair");
      return;
    }
    const far = Math.hypot(at[0] - held.at[0], at[1] - held.at[1]);
    if ("brush" in held) {
      if (far < APART) return;
      held.at = at;
      edits.painted(...there(at), held.brush);
    } else if (held.grabbed && (held.moved || far > FAR)) {
      held.moved = true;
      shift(held.index, there(at));
    }
  }

  function release() {
    const last = held;
    held = null;
    if (!last || "brush" in last) return;
    if (!last.moved && last.index >= 0) choose(last.index);
    else if (last.moved && last.index === chosen) picked(chosen);
  }

  function shift(index, to) {
    data.points[index] = to;
    edits.moved(index, ...to);
    draw();
  }

  function choose(index) {
    chosen = index;
    picked(index);
    draw();
  }

  // ── by keys ─────────────────────────────────────────────────────────────────────────────────
  function key(event) {
    if (!data || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEPS[event.key];
    const known = chosen >= 0 && chosen < data.points.length;
    if (step && event.shiftKey && known) {
      const [x, y] = place(data.points[chosen]);
      shift(chosen, there([x / canvas.width + 0.01 * step[0], y / canvas.height - 0.01 * step[1]]));
      picked(chosen);
    } else if (step) {
      const count = data.labels.length;
      choose((chosen + (step[0] - step[1]) + count) % count);
    } else if ((event.key === "Delete" || event.key === "Backspace") && known) edits.erased(chosen);
    else if (/^[1-8]$/.test(event.key) && known) {
      const [x, y] = place(data.points[chosen]);
      edits.painted(...there([x / canvas.width + 0.03, y / canvas.height]), Math.min(data.classes, event.key - 1));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function draw() {
    pen.fillStyle = colour("--ground");
    pen.fillRect(0, 0, canvas.width, canvas.height);
    if (!data) return;
    if (field) paintField(canvas, field.floats, ...field.shape);
    const wrong = new Set(field?.wrong);
    const inks = Array.from({ length: 8 }, (_, k) => colour(`--c${k}`));
    const [ground, text] = [colour("--ground"), colour("--text")];
    data.points.forEach((point, index) => {
      pen.fillStyle = inks[data.labels[index] % 8];
      pen.strokeStyle = wrong.has(index) ? text : ground;
      pen.lineWidth = wrong.has(index) ? 3.4 : 1.6;
      marker(pen, SHAPES[data.labels[index] % SHAPES.length], ...place(point), 8);
    });
    if (chosen >= 0 && chosen < data.points.length) {
      pen.strokeStyle = colour("--text");
      pen.lineWidth = 3;
      pen.beginPath();
      pen.arc(...place(data.points[chosen]), 16, 0, 7);
      pen.stroke();
    }
  }

  return {
    element: canvas,
    points(found, same = false) {
      const kept = same && held && !("brush" in held) && held.moved ? [held.index, data.points[held.index]] : null;
      data = found;
      if (kept && kept[0] < data.points.length) data.points[kept[0]] = kept[1];
      if (!same) [field, chosen] = [null, -1];
      draw();
    },
    field(found) {
      field = found;
      draw();
    },
    chosen: () => chosen,
    choose,
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
