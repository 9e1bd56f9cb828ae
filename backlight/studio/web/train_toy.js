// A toy of the plane: settings, playing, and everything about it while it learns.

import { chart } from "/web/charts.js";
import { examination } from "/web/doctor.js";
import { button, choice, field, h, put } from "/web/dom.js";
import { fixed, percent, short } from "/web/number.js";
import { plane } from "/web/plane.js";
import { toolbox } from "/web/toy_edit.js";
import { panels } from "/web/toy_panels.js";
import { pointPanels } from "/web/toy_point.js";
import { warped } from "/web/warped.js";

export async function openToy(place, page) {
  const { say, ask, drag, watch } = page;
  const problem = h("div", {});
  const tiles = h("div", { class: "tiles" });
  const { units, weights, flow, ratios, spread, ...seen } = panels(page);
  const point = pointPanels(page);
  const doctor = examination(page);
  const complain = (error) => page.complain(problem, error);
  const tools = toolbox(page, () => now, taken, complain);
  const hidden = warped(page);
  const view = plane(say("toy.plane"), point.show, {
    tool: tools.tool,
    moved: (index, x, y) => drag("toy.move", { index, x, y }, (_, error) => error && complain(error)),
    painted: (x, y, label) => ask("toy.paint", { x, y, label }).catch(complain),
    erased: (index) => ask("toy.erase", { index }).catch(complain),
  });
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
  let paused = false; // the numbers are said aloud once it has come to rest

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
    activation: choice(
      known.activation.map((one) => [one, ["Step", "Identity"].includes(one) ? say(`toy.bend.${one}`) : one]),
      now.choice.activation,
      renew, { name: "activation" },
    ),
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
    ask("toy.make", chosen()).then(taken, complain);
  }

  /** Another toy is there. */
  function taken(made) {
    now = made;
    put(problem);
    doctor.panel.hidden = true;
    write();
    begin();
  }

  function write() {
    for (const [name, element] of Object.entries(control)) {
      const value = now.choice[name];
      if (document.activeElement !== element) element.value = name === "hidden" ? value.join(", ") : value;
    }
    tools.renew(now.choice);
  }

  /** Something was changed here or in another tab: points, activation, or all of it. */
  function refresh() {
    drag("toy.choices", {}, (found) => {
      if (!found) return;
      const kind = ({ own, activation, lr, ...rest }) => JSON.stringify(rest);
      const same = kind(found.now.choice) === kind(now.choice);
      now = found.now;
      write();
      view.points(now, same);
      if (!same) begin();
    });
  }

  function rate() {
    ask("toy.rate", { lr: Number(control.lr.value) }).catch(complain);
  }

  function play(on) {
    ask(on ? "toy.play" : "toy.pause", { steps: 2 ** Number(speed.value) }).catch(complain);
    paused = !on;
    state(on);
  }

  function step() {
    ask("toy.step").catch(complain);
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
    hidden.hide();
    ask("toy.show").catch(complain);
  }

  function show(frame) {
    if (paused && !frame.running) {
      const [loss, accuracy] = [short(frame.loss, 3), percent(frame.accuracy)];
      page.speak(`${say("axis.loss")} ${loss}, ${say("axis.accuracy")} ${accuracy}`);
    }
    paused &&= frame.running;
    state(frame.running);
    if (frame.edition !== now.state.edition) refresh();
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
    const { x, loss, accuracy } = frame.curve;
    const drawn = x.length > 1; // one point is no curve
    curves.update(drawn ? [{ name: say("axis.loss"), x, y: loss }] : []);
    scores.update(drawn ? [{ name: say("axis.accuracy"), x, y: accuracy, colour: 2 }] : []);
    seen.show(frame);
  }

  const ends = [
    watch("toy", show),
    watch("toy.plane", view.field),
    watch("toy.units", seen.maps),
    watch("toy.hidden", (frame) => hidden.show(frame, now)),
  ];
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
        h(
          "div",
          { class: "halves pair" },
          h("figure", { class: "plain" }, view.element, h("figcaption", {}, say("toy.plane_told"))),
          hidden.element,
        ),
        tools.element,
        tools.panel,
        point.circuit,
        point.because,
        h("div", { class: "halves pair" }, curves.element, scores.element),
        h("section", { class: "card" }, units),
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
  write();
  begin();
  const held = page.recall().point;
  if (Number.isInteger(held) && held >= 0 && held < now.labels.length) view.choose(held);
  return {
    state: () => ({ point: view.chosen() }),
    close() {
      ends.forEach((end) => end());
      curves.close();
      scores.close();
    },
    repaint() {
      view.draw();
      hidden.repaint();
    },
    key(event) {
      if (event.key === " ") play(!running);
      else if (event.key === "ArrowRight") step();
      else if (event.key.toLowerCase() === "r") renew();
      else if (event.key.toLowerCase() === "e") doctor.examine();
      else if (event.key.toLowerCase() === "c") tools.collapse();
      else return false;
      return true;
    },
  };
}
