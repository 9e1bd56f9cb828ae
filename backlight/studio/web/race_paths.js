// The surface of a race from above, with every racer's path so far.

import { axes, contour, unit } from "/web/contour.js";
import { colour, h, put, table } from "/web/dom.js";
import { short } from "/web/number.js";
import { marker } from "/web/plane.js";

const SHAPES = ["circle", "square", "triangle", "diamond", "cross"];

/** Paint a race as it stands after so many steps. */
export function paths(canvas, race, step) {
  contour(canvas, race.field.flat(), race.field.length, race.field[0].length);
  const pen = canvas.getContext("2d");
  const [left, bottom, right, top] = race.box;
  const place = ([x, y]) => [
    ((x - left) / (right - left)) * canvas.width,
    ((top - y) / (top - bottom)) * canvas.height,
  ];
  axes(canvas, race.box, ["x", "y"]);
  race.racers.forEach((one, k) => {
    const path = one.path.slice(0, step + 1).filter((point) => point.every((value) => typeof value === "number"));
    pen.strokeStyle = colour(`--c${k % 8}`);
    pen.lineWidth = 2 * unit(canvas);
    pen.beginPath();
    path.forEach((point) => pen.lineTo(...place(point)));
    pen.stroke();
    if (!path.length) return;
    pen.fillStyle = colour(`--c${k % 8}`);
    pen.strokeStyle = colour("--ground");
    marker(pen, SHAPES[k % SHAPES.length], ...place(path[path.length - 1]), 7 * unit(canvas));
  });
}

/** The racers by their height, the lowest first; one that has run away comes last. */
export function ranking(race, step, name, say) {
  const height = (one) => one.path[Math.min(step, one.path.length - 1)][2];
  const rank = (one) => (typeof height(one) === "number" ? height(one) : Infinity);
  const rate = (one) => (["random", "local"].includes(one.key) ? "–" : short(one.lr, 3));
  const rows = [...race.racers]
    .sort((a, b) => rank(a) - rank(b))
    .map((one) => [name(one.key), rate(one), short(height(one)), Math.min(step + 1, one.evaluations)]);
  const heads = [say("race.rule"), say("race.lr"), "f", say("race.evaluations")];
  return table(heads, rows, { caption: say("race.standing", { step }) });
}

/** Say which step size is the largest that gradient descent bears, and mark it on the slider. */
export function limit({ largest, quadratic }, lr, mark, place, say) {
  mark.hidden = !(quadratic && largest > 0);
  if (mark.hidden) {
    put(place, largest > 0 ? say("race.curved", { largest: short(largest, 3) }) : "");
    return;
  }
  const most = 2 / largest;
  mark.style.setProperty("left", `${Math.max(0, Math.min(100, ((Math.log10(most) + 4) / 5) * 100))}%`);
  const told = { largest: short(largest, 3), limit: short(most, 3), lr: short(lr, 3) };
  put(place, h("span", { class: lr > most ? "warm" : null }, say(lr > most ? "race.above" : "race.below", told)));
}
