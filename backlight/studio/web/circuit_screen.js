// Circuit: a formula drawn as gates, with every value and gradient; dragged, stepped through, unfolded.

import { ascent } from "/web/ascent.js";
import { details } from "/web/circuit_detail.js";
import { openNet, sources } from "/web/circuit_net.js";
import { button, choice, h, put } from "/web/dom.js";
import { drawn } from "/web/drawing.js";
import { knobs } from "/web/knobs.js";
import { offers } from "/web/offer.js";
import { stepper } from "/web/stepper.js";

export async function open(main, page) {
  if (page.address().get("run")) return openNet(main, page);
  const { say, ask, drag } = page;
  const examples = await ask("circuit.examples");
  const address = page.address();
  let held = page.recall(); // what was left here before a reload, or in another language
  const kept = {}; // values of every name that was ever used: a name that comes back has its value
  let formula = address.get("f") ?? held.formula ?? examples[0].formula;
  let inputs = {};
  let unfold = address.get("unfold") === "1";
  let drawing = null;
  let start = null;
  let opened = held.opened ?? null; // the layers that are open; null for as many as fit

  for (const one of examples) if (one.formula === formula) Object.assign(kept, one.inputs);
  Object.assign(kept, held.inputs);
  for (const [name, text] of address) if (!["f", "unfold"].includes(name)) read(name, text);

  function read(name, text) {
    try {
      kept[name] = JSON.parse(text);
    } catch {
      return; // an address that was cut
    }
  }

  // ── elements ──────────────────────────────────────────────────────────────────────────────
  const offered = offers(main);
  const field = h("input", {
    type: "text",
    class: "expression",
    value: formula,
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    "data-first": true,
    "aria-label": say("circuit.formula"),
    maxlength: 2000,
    on: {
      input: typed,
      keydown: (event) => {
        if (event.key === "Enter") offered.accept(formula);
      },
    },
  });
  const picker = choice(
    [["", say("circuit.examples")], ...examples.map((one, k) => [String(k), one.name])],
    "",
    (k) => k !== "" && start_from(examples[k]),
  );
  picker.setAttribute("aria-label", say("circuit.examples"));
  const state = h("div", { class: "note", "data-offer": true });
  const stage = h("div", { class: "stage", tabindex: 0, role: "region", "aria-label": say("screen.circuit") });
  const output = h("b", { class: "value", "data-output": true });
  const walk = stepper(page, (count) => drawing?.show(count));
  const told = details(page, () => params());
  const panel = knobs(page, moved, settled, () => {
    Object.assign(kept, inputs);
    load();
  });
  const climb = ascent(page, () => params(), climbed, (error) => page.complain(state, error));
  const folds = button(say("circuit.unfold"), () => refold(), { "aria-pressed": String(unfold), "data-unfold": true });

  put(
    main,
    h("div", { class: "row" }, h("label", { class: "formula" }, h("span", { class: "quiet" }, "f ="), field), picker, await sources(page, "")),
    state,
    h(
      "div",
      { class: "columns three" },
      h(
        "section",
        { class: "card" },
        h("h2", {}, say("circuit.inputs")),
        panel.element,
        h(
          "p",
          { class: "row apart output" },
          h("span", {}, say("circuit.output"), " ", output),
          button(say("circuit.reset"), reset, { title: "0" }),
        ),
        climb.element,
      ),
      h(
        "div",
        { class: "columns" },
        stage,
        h(
          "div",
          { class: "row card" },
          walk.controls,
          folds,
          button(say("circuit.numeric"), told.compare, { title: "N", "data-numeric": true }),
          button(say("circuit.jacobian"), told.jacobian, { title: "J", "data-whole-jacobian": true }),
        ),
        told.numeric,
      ),
      h("div", { class: "columns" }, walk.told, h("section", { class: "card" }, told.element)),
    ),
  );

  // ── asking ────────────────────────────────────────────────────────────────────────────────
  const params = () => ({ formula, inputs, unfold, open: opened });

  function typed() {
    formula = field.value;
    opened = null;
    told.forget();
    walk.stop();
    load();
  }

  function load() {
    if (!formula.trim()) return;
    const asked = formula;
    drag("circuit.open", { ...params(), inputs: { ...kept } }, (found, error) => {
      if (error) {
        page.complain(state, error);
        state.firstChild?.classList.add("code");
        const named = examples.find((one) => one.key.includes("_") && formula.includes(one.key));
        if (named) state.append(button(named.name, () => start_from(named)));
        return offered.made(asked);
      }
      if (found.missing) {
        const add = (names) => {
          for (const name of names) kept[name] = 1;
          load();
        };
        put(state, h("span", {}, say("circuit.missing")), panel.offer(found.missing, add));
        return offered.made(asked);
      }
      show(found);
    });
  }

  function show(found) {
    put(state, say("circuit.ok", { gates: found.gates, inputs: found.names.length }));
    inputs = found.inputs;
    Object.assign(kept, inputs);
    start = structuredClone(inputs);
    panel.make(inputs);
    drawing = drawn(stage, found.drawing, {
      picked: told.picked,
      steps: found.steps,
      folded: (keys) => {
        opened = keys;
        load();
      },
      grabbed: (node) => (typeof inputs[found.leaves[node]] === "number" ? inputs[found.leaves[node]] : null),
      dragged: (node, value) => panel.set(found.leaves[node], value),
      released: settled,
    });
    climb.forget(true);
    numbers(found);
    walk.take(found.steps);
    if (held.at) walk.to(held.at);
    if (Number.isInteger(held.node)) told.picked(held.node);
    held = {};
    remember();
  }

  function numbers(found) {
    output.textContent = found.output;
    panel.gradients(found.gradients, found.slopes);
  }

  function moved() {
    climb.forget();
    follow({ start });
  }

  /** Every number at the inputs as they are; from `start` on, what was foreseen is told as well. */
  function follow(from) {
    Object.assign(kept, inputs);
    drag("circuit.drag", { ...params(), inputs: structuredClone(inputs), ...from }, (found, error) => {
      if (error) {
        page.complain(state, error);
        return;
      }
      drawing.update(found.figures);
      numbers(found);
      if (found.change) climb.foresaw(found.change);
      main.dataset.moves = String(Number(main.dataset.moves ?? 0) + 1);
    });
  }

  function settled() {
    start = structuredClone(inputs);
    page.speak(`f = ${output.textContent}`);
    drag("circuit.steps", params(), (found) => {
      if (!found) return;
      drawing.tell(found);
      walk.retell(found);
    });
    told.again();
    remember();
  }

  function climbed(found) {
    inputs = { ...inputs, ...found.inputs };
    start = structuredClone(inputs);
    panel.make(inputs);
    follow({});
    settled();
  }

  function reset() {
    const example = examples.find((one) => one.formula === formula);
    Object.assign(
      kept,
      example?.inputs ??
        Object.fromEntries(Object.keys(inputs).map((name) => [name, Array.isArray(inputs[name]) ? inputs[name] : 1])),
    );
    load();
  }

  function start_from(example) {
    formula = field.value = example.formula;
    Object.assign(kept, example.inputs);
    opened = null;
    walk.forget();
    told.forget();
    picker.value = "";
    load();
  }

  function refold() {
    unfold = !unfold;
    folds.setAttribute("aria-pressed", String(unfold));
    opened = null;
    walk.forget();
    told.forget();
    walk.stop();
    load();
  }

  function remember() {
    page.keep({
      f: formula,
      ...(unfold ? { unfold: "1" } : {}),
      ...Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, JSON.stringify(value)])),
    });
  }

  load();
  await new Promise((resolve) => setTimeout(resolve, 0));
  return {
    close() {
      walk.stop();
      climb.close();
    },
    again: load,
    state: () => ({ formula, inputs, opened, at: walk.at(), node: told.node() }),
    keys: [
      ["← →", "keys.steps"],
      ["Shift ← →", "keys.ends"],
      ["Space", "keys.play"],
      ["U", "keys.unfold"],
      ["N", "keys.numeric"],
      ["J", "keys.jacobian"],
      ["A D", "keys.climb"],
      ["+ −", "keys.nudge"],
      ["0", "keys.reset"],
      ["↑ ↓", "keys.entry"],
      ["↑ ↓", "keys.boxes"],
      ["Enter", "keys.box"],
    ],
    key(event) {
      const key = event.key.toLowerCase();
      if (key === "arrowright") (event.shiftKey ? walk.last : walk.forward)();
      else if (key === "arrowleft") (event.shiftKey ? walk.first : walk.back)();
      else if (key === " ") walk.play();
      else if (key === "u") refold();
      else if (key === "n") told.compare();
      else if (key === "j") told.jacobian();
      else if (key === "a") climb.step(1);
      else if (key === "d") climb.step(-1);
      else if (["+", "=", "-", "_"].includes(key)) {
        panel.nudge((key === "+" || key === "=" ? 1 : -1) * (event.shiftKey ? 0.1 : 0.01));
        settled();
      } else if (key === "0") reset();
      else return false;
      return true;
    },
  };
}
