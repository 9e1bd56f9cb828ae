// Circuit, of a net: the loss of one example of its data, with layers that unfold, and every parameter.

import { details } from "/web/circuit_detail.js";
import { choice, h, put, table } from "/web/dom.js";
import { drawn } from "/web/drawing.js";
import { short } from "/web/number.js";
import { stepper } from "/web/stepper.js";

/** Choose between a formula and the nets that there are. */
export async function sources(page, chosen) {
  const { say, ask } = page;
  const nets = await ask("example.nets").catch(() => []);
  const made = choice(
    [
      ["", say("circuit.of_formula")],
      ["fresh", say("net.fresh")],
      ...nets.map((one) => [one.run, `${one.run} (${one.model}, ${one.data})`]),
    ],
    chosen,
    (run) => location.assign(run ? `/circuit?${new URLSearchParams({ run })}` : "/circuit"),
    { "data-source": true, "aria-label": say("circuit.source") },
  );
  return made;
}

export async function openNet(main, page) {
  const { say, drag } = page;
  const address = page.address();
  const run = address.get("run");
  let example = Number(address.get("example") ?? 0) || 0;
  let opened = null;
  let drawing = null;
  const params = () => ({ run, example });
  const state = h("div", { class: "note" });
  const facts = h("div", { class: "columns" });
  const parameters = h("div", {});
  const stage = h("div", { class: "stage", tabindex: 0, role: "region", "aria-label": say("screen.circuit") });
  const walk = stepper(page, (count) => drawing?.show(count));
  const told = details(page, params, "example");
  const number = h("input", {
    type: "number",
    min: 0,
    step: 1,
    value: example,
    "data-example": true,
    "data-first": true,
    on: { change: () => go(Number(number.value)) },
  });

  put(
    main,
    h("div", { class: "row" }, await sources(page, run), h("label", { class: "tick" }, say("net.example"), number)),
    state,
    h(
      "div",
      { class: "columns two" },
      h("div", { class: "columns" }, h("section", { class: "card" }, facts), parameters),
      h(
        "div",
        { class: "columns" },
        stage,
        h("div", { class: "row card" }, walk.controls),
        h("div", { class: "halves" }, h("section", { class: "card" }, told.element), walk.told),
      ),
    ),
  );
  put(state, say("loading"));

  function go(which) {
    example = Math.max(0, Math.round(which) || 0);
    told.forget();
    load();
  }

  function load() {
    drag("example.open", { ...params(), open: opened }, (found, error) => {
      if (error) {
        page.complain(state, error);
        return;
      }
      put(state, say("circuit.net", { gates: found.gates, run: found.run === "fresh" ? say("net.fresh") : found.run }));
      number.max = found.count - 1;
      number.value = example;
      page.keep({ run, example });
      show(found);
    });
  }

  function show(found) {
    put(
      facts,
      h("h2", {}, say("circuit.example", { index: found.example })),
      found.picture && h("img", { class: "pixels example", src: found.picture, alt: say("net.image", { label: found.label }) }),
      h("p", {}, say("circuit.answer", { label: found.label, answer: found.answer, loss: found.loss })),
    );
    put(
      parameters,
      table(
        [say("toy.parameter"), say("circuit.size"), say("circuit.gradient")],
        found.parameters.map((one) => [
          h("button", { type: "button", class: "plain", on: { click: () => told.picked(one.node) } }, one.name),
          short(one.size, 3),
          h("span", { class: "gradient" }, short(one.gradient, 3)),
        ]),
        { caption: say("circuit.parameters") },
      ),
    );
    const steps = found.drawing.steps ?? [];
    const focus = document.activeElement?.closest?.("[data-group]")?.dataset.group;
    drawing = drawn(stage, found.drawing, {
      picked: told.picked,
      steps,
      folded: (keys) => {
        opened = keys;
        load();
      },
    });
    if (focus) stage.querySelector(`[data-group="${CSS.escape(focus)}"]`)?.focus();
    walk.take(steps);
    main.dataset.shown = String(found.example);
  }

  load();
  return {
    close: walk.stop,
    again: load,
    keys: [
      ["← →", "keys.steps"],
      ["Shift ← →", "keys.ends"],
      ["Space", "keys.play"],
      ["PgUp PgDn", "keys.examples"],
      ["↑ ↓", "keys.boxes"],
      ["Enter", "keys.layer"],
    ],
    key(event) {
      if (event.key === "ArrowRight") (event.shiftKey ? walk.last : walk.forward)();
      else if (event.key === "ArrowLeft") (event.shiftKey ? walk.first : walk.back)();
      else if (event.key === " ") walk.play();
      else if (event.key === "PageDown") go(example + 1);
      else if (event.key === "PageUp") go(example - 1);
      else return false;
      return true;
    },
  };
}
