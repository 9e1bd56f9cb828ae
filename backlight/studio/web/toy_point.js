// One point of a toy: what the net answers, what its loss wants of every parameter, and its circuit.

import { h, put, table } from "/web/dom.js";
import { drawn } from "/web/drawing.js";
import { percent, short } from "/web/number.js";

/** The panels of a point; `ask(index)` fills them. */
export function pointPanels(page) {
  const { say } = page;
  const told = h("div", { class: "note" }, say("toy.pick"));
  const circuit = h("div", {
    class: "stage",
    tabindex: 0,
    role: "region",
    "aria-label": say("toy.circuit"),
    hidden: true,
  });
  const because = h("section", { class: "card", hidden: true });

  function show(index, open = null) {
    page.ask("toy.example", { index, open }).then(explain, (error) => page.complain(told, error));
  }

  function explain(found) {
    put(
      told,
      h("h2", {}, say("toy.example", { index: found.index })),
      h(
        "p",
        {},
        say("toy.answer", {
          label: found.label,
          share: percent(found.probabilities[found.label]),
          loss: short(found.loss, 3),
        }),
      ),
      h(
        "div",
        { class: "bars" },
        found.probabilities.map((share, k) => [
          h("span", {}, String(k), k === found.label ? " ✓" : ""),
          h("span", {}, h("i", { style: { width: `${100 * share}%` } })),
          h("span", {}, percent(share)),
        ]),
      ),
      h("p", {}, say("toy.pull", { x: short(found.pull[0], 3), y: short(found.pull[1], 3) })),
      table(
        [say("toy.parameter"), say("toy.size"), say("toy.gradient")],
        found.gradients.map(([name, size, norm]) => [
          name,
          short(size, 3),
          h("span", { class: "gradient" }, short(norm, 3)),
        ]),
      ),
    );
    page.speak(told.textContent);
    circuit.hidden = false;
    drawn(circuit, found.circuit, {
      picked: (node) => reasons(found.index, node),
      folded: (open) => show(found.index, open),
    });
  }

  function reasons(index, node) {
    page.ask("toy.why", { index, node }).then(
      (text) => {
        put(because, h("h2", {}, say("circuit.why")), h("pre", { class: "told" }, text));
        because.hidden = false;
      },
      (error) => page.complain(because, error),
    );
  }

  return { told, circuit, because, show };
}
