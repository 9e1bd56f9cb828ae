// A toy of the plane: settings, playing, and everything about it while it learns.

import { chart } from "/web/charts.js";
import { examination } from "/web/doctor.js";
import { button, choice, field, h, put } from "/web/dom.js";
import { fixed, percent, short } from "/web/number.js";
import { plane } from "/web/plane.js";
import { panels } from "/web/toy_panels.js";
import { pointPanels } from "/web/toy_point.js";

export async function openToy(place, page) {
  const { say, ask, watch } = page;
  const problem = h("div", {});
  const tiles = h("div", { class: "tiles" });
  const { units, weights, flow, ratios, spread, ...seen } = panels(page);
  const point = pointPanels(page);
  const doctor = examination(page);
  const view = plane(say("toy.plane"), point.show);
  const curves = chart({
    title: say("toy.curves"),
    x: say("axis.step"),
    y: say("axis.loss"),
    log: { y: true },
    name: "toy-loss",
    height: 190,
  });
  const scores = chart({
    title: say("toy.accuracy"),
    x: say("axis.step"),
    y: say("axis.accuracy"),
    name: "toy-accuracy",
    height: 190,
  });
  const known = await ask("toy.choices");
  let now = known.now;
  let running = now.state.running;

  // ── settings ──────────────────────────────────────────────────────────────────────────────
  const number = (name, attributes) =>
    h("input", {
      type: "number",
      name,
      value: now.choice[name],
      ...attributes,
      on: { change: () => (name === "lr" ? rate() : renew()) },
    });
  const control = {
    data: choice(
      known.data.map((one) => [one, say(`toy.data.${one}`)]),
      now.choice.data,
      renew,
      { name: "data", "data-first": true },
    ),
    points: number("points", { min: 2, max: 400, step: 10 }),
    noise: number("noise", { min: 0, max: 2, step: 0.05 }),
    hidden: h("input", { type: "text", name: "hidden", value: now.choice.hidden.join(", "), on: { change: renew } }),
    activation: choice(known.activation, now.choice.activation, renew, { name: "activation" }),
    optimizer: choice(known.optimizer, now.choice.optimizer, renew, { name: "optimizer" }),
    lr: number("lr", { min: 0.000001, max: 100, step: "any" }),
    batch: number("batch", { min: 1, max: 2000, step: 8 }),
    weight_decay: number("weight_decay", { min: 0, max: 10, step: "any" }),
    seed: number("seed", { min: 0, step: 1 }),
  };
  const speed = h("input", {
    type: "range",
    min: 0,
    max: 7,
    step: 1,
    value: Math.round(Math.log2(now.steps)),
    name: "speed",
    on: { input: () => running && play(true) },
  });
  const go = button(say("toy.play"), () => play(!running), { class: "main", "data-go": true });
  const settings = h(
    "section",
    { class: "card" },
    h("h2", {}, say("toy.settings")),
    Object.entries(control).map(([name, element]) =>
      field(say(`toy.setting.${name}`), element, name === "hidden" ? say("toy.hidden") : null),
    ),
  );
  const controls = h(
    "div",
    { class: "row card" },
    go,
    button(say("toy.step"), step, {}),
    button(say("toy.renew"), renew, {}),
    doctor.button,
    h("label", { class: "tick grow" }, h("span", {}, say("toy.speed")), speed),
  );

  function chosen() {
    const values = Object.fromEntries(
      Object.entries(control).map(([name, element]) => [
        name,
        element.type === "number" ? Number(element.value) : element.value,
      ]),
    );
    values.hidden = control.hidden.value
      .split(/[\s,]+/)
      .filter(Boolean)
      .map(Number);
    return values;
  }

  function renew() {
    ask("toy.make", chosen()).then(
      (made) => {
        now = made;
        put(problem);
        doctor.panel.hidden = true;
        begin();
      },
      (error) => page.complain(problem, error),
    );
  }

  function rate() {
    ask("toy.rate", { lr: Number(control.lr.value) }).catch((error) => page.complain(problem, error));
  }

  function play(on) {
    ask(on ? "toy.play" : "toy.pause", { steps: 2 ** Number(speed.value) }).catch((error) =>
      page.complain(problem, error),
    );
    state(on);
  }

  function step() {
    ask("toy.step").catch((error) => page.complain(problem, error));
    state(false);
  }

  function state(on) {
    running = on;
    go.textContent = say(on ? "toy.pause" : "toy.play");
    go.setAttribute("aria-pressed", String(on));
  }

  // ── what is shown ─────────────────────────────────────────────────────────────────────────
  function begin() {
    view.points(now);
    seen.clear();
    ask("toy.show").catch((error) => page.complain(problem, error));
  }

  function show(frame) {
    state(frame.running);
    if (frame.problem)
      put(problem, h("p", { class: "problem", role: "alert" }, say("toy.broke", { loss: frame.problem })));
    put(
      tiles,
      [
        ["epoch", fixed(frame.epoch, 1)],
        ["step", frame.step],
        ["loss", short(frame.loss, 3)],
        ["accuracy", percent(frame.accuracy)],
      ].map(([name, value]) =>
        h("div", { class: "tile" }, h("span", {}, say(`axis.${name}`)), h("b", { "data-tile": name }, String(value))),
      ),
    );
    curves.update([{ name: say("axis.loss"), x: frame.curve.x, y: frame.curve.loss }]);
    scores.update([{ name: say("axis.accuracy"), x: frame.curve.x, y: frame.curve.accuracy, colour: 2 }]);
    seen.show(frame);
  }

  const ends = [watch("toy", show), watch("toy.plane", view.field), watch("toy.units", seen.maps)];
  put(
    place,
    h(
      "div",
      { class: "columns three" },
      h("div", { class: "columns" }, settings, problem),
      h(
        "div",
        { class: "columns" },
        controls,
        tiles,
        doctor.panel,
        h("div", { class: "halves" }, h("div", {}, view.element), h("div", { class: "card" }, units)),
        point.circuit,
        point.because,
        h("div", { class: "halves" }, curves.element, scores.element),
      ),
      h(
        "div",
        { class: "columns" },
        h("section", { class: "card" }, point.told),
        h(
          "section",
          { class: "card" },
          h("h2", {}, say("toy.flow")),
          flow,
          h("h2", {}, say("toy.ratios")),
          h("p", { class: "note" }, say("toy.usual")),
          ratios,
        ),
        h("section", { class: "card" }, h("h2", {}, say("toy.spread")), spread),
        h("section", { class: "card" }, h("h2", {}, say("toy.weights")), weights),
      ),
    ),
  );
  begin();
  return {
    close() {
      ends.forEach((end) => end());
      curves.close();
      scores.close();
    },
    repaint: view.draw,
    key(event) {
      if (event.key === " ") play(!running);
      else if (event.key === "ArrowRight") step();
      else if (event.key.toLowerCase() === "r") renew();
      else if (event.key.toLowerCase() === "e") doctor.examine();
      else return false;
      return true;
    },
  };
}
