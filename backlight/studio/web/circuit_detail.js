// What is told of one gate: its factors, why its gradient is what it is; and all inputs' gradients beside
// the numerical ones.

import { button, h, put, table } from "/web/dom.js";
import { heat } from "/web/heat.js";
import { jacobianMap } from "/web/jacobian_map.js";

/**
 * The panels; `params()` answers with the formula and its inputs as they are now, or with a net and
 * its example, whose questions begin with "example".
 */
export function details(page, params, of = "circuit") {
  const { say, ask, drag } = page;
  const detail = h("div", { class: "detail" }, h("p", { class: "note" }, say("circuit.pick")));
  const numeric = h("div", {});
  const rows = new Map(); // of each Jacobian, the row that was picked
  let node = null;
  let beside = null; // what is shown of all inputs: the comparison, or the Jacobian

  function picked(which) {
    node = which;
    drag(`${of}.wires`, { ...params(), node: which }, (found, error) => {
      if (error) {
        page.complain(detail, error);
        return;
      }
      put(
        detail,
        h("h2", {}, found.name),
        found.formula ? h("p", { class: "note" }, say("circuit.gate_formula", { formula: found.formula })) : null,
        h(
          "p",
          {},
          h("span", { class: "value" }, found.value),
          " · ",
          h("span", { class: "gradient" }, `∇ ${found.gradient}`),
        ),
        found.wires.length
          ? table(
              [say("circuit.wire"), say("circuit.local"), say("circuit.product")],
              found.wires.map((wire) => [wire.name, local(wire), h("span", { class: "gradient" }, wire.product)]),
              { caption: say("circuit.upstream", { upstream: found.gradient }) },
            )
          : null,
        pictures(found),
        reasons(which, found.wires.length),
      );
    });
  }

  /** A factor is a number where each number goes its own way; else it is a Jacobian. */
  function local(wire) {
    return wire.local === "–" && wire.product !== "–" ? say("circuit.jacobian") : wire.local;
  }

  /** What takes longer, once one asks: paths, factors and what cancelled; the gate's Jacobian. */
  function reasons(which, gate) {
    const told = h("div", { class: "told", hidden: true, tabindex: 0, role: "region", "aria-label": say("circuit.why") });
    const because = h("p", { class: "row" });
    put(
      because,
      button(say("circuit.why"), () => tell(told, "why", which), { "data-why": true }),
      gate > 0 && button(say("circuit.jacobian"), () => tell(told, "jacobian", which), { "data-jacobian": true }),
    );
    return [because, told];
  }

  function tell(into, what, which, placed = null) {
    into.hidden = false;
    if (!placed) put(into, say("loading"));
    const asked = { ...params(), node: which };
    const drawn = what === "jacobian" ? ask(`${of}.jacobian_maps`, asked) : Promise.resolve([]);
    Promise.all([ask(`${of}.${what}`, asked), drawn]).then(
      ([text, maps]) => {
        const shown = maps.filter((one) => one.entries.length > 1).map((one) => jacobianMap(page, one, rows));
        put(into, shown, what === "jacobian" ? matrices(text) : text);
        if (placed) placed();
        else page.speak(text);
      },
      (error) => {
        into.hidden = true;
        page.complain(what === "jacobian" && which === null ? numeric : detail, error);
      },
    );
  }

  /** Sentences that wrap, and matrices and tables that do not. */
  function matrices(text) {
    const found = [];
    for (const block of text.split("\n\n")) {
      const whole = /^─/m.test(block);
      let rows = null;
      for (const line of block.split("\n")) {
        const number = line.startsWith("  ") || (whole && rows) || /^─/.test(line);
        if (!number) found.push(h("p", {}, line));
        else if (rows) rows.textContent += rows.textContent ? `\n${line}` : line;
        else found.push((rows = h("pre", { class: "matrix" }, line)));
        if (!number) rows = whole ? h("pre", { class: "matrix" }) : null;
        if (!number && whole) found.push(rows);
      }
    }
    return found;
  }

  /** The Jacobian of the whole formula by each of its inputs. */
  function jacobian(again) {
    beside = () => jacobian(true);
    const told = h("div", { class: "told", tabindex: 0, role: "region", "aria-label": say("circuit.jacobian") });
    const card = h("section", { class: "card" }, h("h2", {}, say("circuit.jacobian")), told);
    const place = () => put(numeric, card);
    if (again !== true) place();
    tell(told, "jacobian", null, again === true ? place : null);
  }

  function pictures(found) {
    const one = (picture, name) =>
      picture &&
      picture.numbers.length > 1 &&
      h(
        "figure",
        { class: "picture" },
        heat(picture.numbers, picture.rows, picture.columns, name),
        h("figcaption", {}, name),
      );
    return h(
      "div",
      { class: "gallery" },
      one(found.picture, say("circuit.value")),
      one(found.gradient_picture, say("circuit.gradient")),
    );
  }

  function compare(again) {
    if (again !== true) put(numeric, h("p", { class: "quiet" }, say("loading")));
    beside = () => compare(true);
    ask("circuit.numeric", params()).then(
      (found) => {
        if (again !== true) page.speak(say(found.ok ? "circuit.agree" : "circuit.differ"));
        put(
          numeric,
          h(
            "section",
            { class: "card" },
            h("h2", {}, say(found.ok ? "circuit.agree" : "circuit.differ")),
            table(
              ["input", "analytic", "numerical", "error", "verdict", "kink"].map((one) => say(`circuit.head.${one}`)),
              found.rows,
            ),
          ),
        );
      },
      (error) => page.complain(numeric, error),
    );
  }

  return {
    element: detail,
    numeric,
    picked,
    compare,
    jacobian,
    /** The numbers have moved. */
    again() {
      if (node !== null) picked(node);
      beside?.();
    },
    node: () => node,
    /** Another circuit: its nodes have other numbers. */
    forget() {
      [node, beside] = [null, null];
      put(numeric);
    },
  };
}
