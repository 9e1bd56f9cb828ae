// Steps along the gradient: how large they are, uphill or downhill, and the course of f. Too large a step
// overshoots, and that is said.

import { chart } from "/web/charts.js";
import { button, field, h, put } from "/web/dom.js";
import { short } from "/web/number.js";

const STEPS = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const MOST = 200;

/** `asked()` answers with formula and inputs; `taken(found)` is told where a step ended. */
export function ascent(page, asked, taken, complain) {
  const { say } = page;
  const change = h("p", { class: "note", "data-change": true });
  const warning = h("p", { class: "warm", role: "status", hidden: true, "data-overshot": true });
  const size = h("output", {}, "0.01");
  const slider = h("input", {
    type: "range",
    min: 0,
    max: STEPS.length - 1,
    step: 1,
    value: STEPS.indexOf(0.01),
    "data-step-size": true,
    "aria-valuetext": "0.01",
    on: { input: resized },
  });
  const course = chart({
    title: say("circuit.course"),
    x: say("axis.step"),
    y: "f",
    name: "course",
    height: 150,
    bare: true,
  });
  course.element.hidden = true;
  let values = [];

  function resized() {
    size.textContent = String(STEPS[slider.value]);
    slider.setAttribute("aria-valuetext", size.textContent);
  }

  function step(way) {
    const moved = way * STEPS[slider.value];
    page.ask("circuit.nudge", { ...asked(), step: moved }).then((found) => {
      if (!values.length) values = [found.before];
      values = [...values, found.after].slice(-MOST);
      taken(found);
      foresaw(found);
      const over = found.true * moved < 0;
      const far = Math.abs(found.true - found.predicted) > Math.abs(found.predicted);
      warning.hidden = !over && !far;
      if (over) put(warning, say(moved < 0 ? "circuit.over_down" : "circuit.over_up", { true: short(found.true) }));
      else if (far) put(warning, say("circuit.far"));
      course.element.hidden = false;
      course.update([{ name: "f", x: values.map((_, k) => k), y: values, colour: 0 }]);
      page.speak(`${change.textContent} ${warning.hidden ? "" : warning.textContent}`);
    }, complain);
  }

  function foresaw({ predicted, true: came }) {
    put(change, say("circuit.change", { predicted: short(predicted), true: short(came) }));
  }

  return {
    element: h(
      "div",
      { class: "ascent" },
      field(say("circuit.step_size"), h("span", { class: "row tight" }, slider, size)),
      h(
        "p",
        { class: "row" },
        button(say("circuit.uphill"), () => step(1), { "data-uphill": true, title: "A" }),
        button(say("circuit.downhill"), () => step(-1), { "data-downhill": true, title: "D" }),
      ),
      change,
      warning,
      course.element,
    ),
    step,
    foresaw,
    /** The inputs were moved otherwise: the course begins anew. */
    forget(all = false) {
      values = [];
      if (all) put(change);
      warning.hidden = true;
      course.element.hidden = true;
    },
    close: course.close,
  };
}
