// The hidden space: the plane, its points and a grid of lines, as the hidden layers hand them to the last
// one, which separates them with straight lines.

import { colour, h, put } from "/web/dom.js";
import { paintField } from "/web/field.js";
import { percent } from "/web/number.js";
import { SHAPES, marker } from "/web/plane.js";

/** A figure of it; `show(frame, data)` draws a frame with the classes of the points. */
export function warped(page) {
  const { say } = page;
  const canvas = h("canvas", { class: "warped", width: 720, height: 720, role: "img", "aria-label": say("toy.warped") });
  const caption = h("figcaption", {});
  const element = h("figure", { class: "plain", hidden: true }, canvas, caption);
  const pen = canvas.getContext("2d");
  let last = null;

  function show(frame, data) {
    const [count, lattice, grid, classes] = frame.sizes;
    if (count !== data.labels.length) return; // a frame of other points
    last = [frame, data];
    element.hidden = false;
    const [left, bottom, right, top] = frame.box;
    const at = (k) => [
      ((frame.floats[2 * k] - left) / (right - left)) * canvas.width,
      ((top - frame.floats[2 * k + 1]) / (top - bottom)) * canvas.height,
    ];
    paintField(canvas, frame.floats.subarray(2 * (count + lattice * lattice)), grid, grid, classes);
    lines(count, lattice, at);
    pen.lineWidth = 1.6;
    const ground = colour("--ground");
    for (let k = 0; k < count; k++) {
      pen.fillStyle = colour(`--c${data.labels[k] % 8}`);
      pen.strokeStyle = ground;
      marker(pen, SHAPES[data.labels[k] % SHAPES.length], ...at(k), 8);
    }
    const share = { width: frame.width, share: percent(frame.share, 0) };
    const seen = frame.width > 2 ? say("toy.warped_share", share) : say("toy.warped_whole");
    put(caption, h("b", {}, say("toy.warped")), " ", say("toy.warped_told"), " ", seen);
  }

  function lines(count, lattice, at) {
    pen.strokeStyle = colour("--axis");
    pen.globalAlpha = 0.55;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let row = 0; row < lattice; row++) {
      for (let column = 0; column < lattice; column++) {
        const here = at(count + row * lattice + column);
        if (column + 1 < lattice) {
          pen.moveTo(...here);
          pen.lineTo(...at(count + row * lattice + column + 1));
        }
        if (row + 1 < lattice) {
          pen.moveTo(...here);
          pen.lineTo(...at(count + (row + 1) * lattice + column));
        }
      }
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }

  return {
    element,
    show,
    repaint: () => last && show(...last),
    hide() {
      element.hidden = true;
      last = null;
    },
  };
}
