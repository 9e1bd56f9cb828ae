// Check: analytic gradients beside numerical ones, worst first; and faults planted to be found.

import { chart } from "/web/charts.js";
import { button, choice, field, h, put, table } from "/web/dom.js";
import { short } from "/web/number.js";

export async function open(main, page) {
  const { say, ask } = page;
  const known = await ask("check.choices");
  const held = page.recall();
  let kind = held.kind ?? "formula";
  let inputs = held.inputs ?? { ...known.formulas[10].inputs };
  let studied = held.studied ?? ""; // the number whose curve is shown
  const problem = h("div", {});
  const result = h("div", { class: "columns" });
  const curve = chart({
    title: say("check.curve"),
    x: "h",
    y: say("check.error"),
    log: { x: true, y: true },
    name: "step-size",
    height: 250,
  });
  const under = h("section", { class: "columns", hidden: true }, curve.element, h("p", { class: "note" }, say("check.curve_told")));

  const formula = h("input", {
    type: "text",
    class: "expression",
    value: held.formula ?? known.formulas[10].formula,
    spellcheck: "false",
    "data-first": true,
    "aria-label": say("circuit.formula"),
    on: { change: retyped },
  });
  const values = h("textarea", {
    class: "expression",
    rows: 3,
    spellcheck: "false",
    "aria-label": say("check.values"),
    title: say("check.values"),
    on: {
      change: revalued,
      keydown: (event) => {
        if (event.key !== "Enter" || event.shiftKey) return;
        event.preventDefault();
        revalued();
      },
    },
  });
  const example = choice(
    known.formulas.map((one, k) => [String(k), one.name]),
    String(known.formulas.findIndex((one) => one.formula === (held.formula ?? known.formulas[10].formula))),
    (k) => {
      formula.value = known.formulas[k].formula;
      inputs = { ...known.formulas[k].inputs };
      write();
      run();
    },
  );
  const fault = choice(
    [["", say("check.none")], ...known.faults.map((one) => [one, say(`check.fault.${one}`)])],
    held.fault ?? "",
    run,
    { "data-fault": true },
  );
  const at = h("select", { on: { change: run } });
  const model = choice(known.models, held.model ?? known.models[2], run);
  const layer = choice(known.layers, held.layer ?? "Linear", run);
  const panels = {
    formula: h(
      "div",
      {},
      field(say("circuit.examples"), example),
      h("label", { class: "field tall" }, h("span", {}, "f ="), formula),
      h("label", { class: "field tall" }, h("span", {}, say("circuit.inputs")), values),
      field(say("check.plant"), fault),
      field(say("check.at"), at),
    ),
    model: h("div", {}, field(say("check.model"), model), h("p", { class: "note" }, say("check.model_told"))),
    layer: h("div", {}, field(say("check.layer"), layer)),
  };
  const tabs = h(
    "div",
    { class: "joined", role: "group", "aria-label": say("check.what") },
    Object.keys(panels).map((one) => button(say(`check.${one}`), () => show(one), { "data-kind": one })),
  );
  const holder = h("section", { class: "card" });
  put(
    main,
    h(
      "div",
      { class: "columns two" },
      h("div", { class: "columns" }, tabs, holder, problem),
      h("div", { class: "columns" }, result, under),
    ),
  );

  function write() {
    values.value = Object.entries(inputs)
      .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
      .join(";\n");
    put(
      at,
      Object.keys(inputs).map((name) => h("option", { value: name }, name)),
    );
  }

  function revalued() {
    const found = {};
    for (const part of values.value.split(";")) {
      const [name, text] = part.split("=").map((one) => one.trim());
      try {
        if (name) found[name] = JSON.parse(text);
      } catch {
        put(problem, h("p", { class: "problem", role: "alert" }, say("check.unread", { name })));
        return;
      }
    }
    inputs = found;
    write();
    run();
  }

  function retyped() {
    ask("circuit.open", { formula: formula.value, inputs }).then(
      (found) => {
        inputs = Object.fromEntries(found.names.map((name) => [name, inputs[name] ?? 1]));
        write();
        run();
      },
      (error) => page.complain(problem, error),
    );
  }

  function show(one) {
    kind = one;
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.kind === one));
    put(holder, panels[one]);
    run();
  }

  function run() {
    put(problem);
    under.hidden = true;
    const params =
      kind === "formula"
        ? { formula: formula.value, inputs, fault: fault.value, at: at.value }
        : kind === "model"
          ? { model: model.value }
          : { layer: layer.value };
    at.disabled = !fault.value;
    put(result, h("p", { class: "quiet" }, say("check.working")));
    ask(`check.${kind}`, params).then(draw, (error) => {
      put(result);
      page.complain(problem, error);
    });
  }

  function draw(found) {
    const places = found.rows.filter((row) => row.index && row.name in inputs);
    const first = places.find((row) => row.place === studied) ?? places[0];
    if (kind === "formula" && first) study(first, false);
    const rows = found.rows.map((row) => ({
      attributes: { class: row.failed ? "failed" : null },
      cells: [
        kind === "formula" && row.index ? button(row.place, () => study(row, true), { title: say("check.curve") }) : row.place,
        h("span", { class: row.failed ? "gradient" : "value" }, `${row.failed ? "✗" : "✓"} ${row.verdict}`),
        short(row.error, 2),
        short(row.analytic, 7),
        `${short(row.numeric, 7)} ± ${short(row.noise, 1)}`,
        h("span", {}, [row.kink && say("check.kink", { gate: row.kink }), row.mistake].filter(Boolean).join("; ")),
      ],
    }));
    put(
      result,
      h(
        "h2",
        { "data-verdict": String(found.ok), class: found.ok ? "value" : "gradient" },
        `${found.ok ? "✓" : "✗"} ${say(found.ok ? "check.right" : "check.wrong")}`,
      ),
      h("p", { class: "note" }, found.summary),
      found.results > 1 ? h("p", { class: "note" }, say("check.weighted", { count: found.results })) : null,
      found.planted === false ? h("p", { class: "warm" }, say("check.no_fault", { name: at.value })) : null,
      table(
        ["check.number", "check.verdict", "check.error", "check.analytic", "check.numeric", "check.told"].map((one) =>
          say(one),
        ),
        rows,
      ),
    );
    page.speak(`${say(found.ok ? "check.right" : "check.wrong")} ${found.summary}`);
  }

  function study(row, asked) {
    studied = row.place;
    ask("check.step", {
      formula: formula.value,
      inputs,
      name: row.name,
      index: row.index,
      analytic: row.analytic,
    }).then(
      (found) => {
        under.hidden = false;
        curve.update(
          Object.entries(found.lines).map(([name, y]) => ({ name, x: found.h, y })),
          { title: `${say("check.curve")}: ${row.place}` },
        );
        if (asked) under.scrollIntoView({ block: "nearest" });
      },
      (error) => page.complain(problem, error),
    );
  }

  write();
  if (held.at in inputs) at.value = held.at;
  show(kind);
  return {
    close: () => curve.close(),
    again: run,
    state: () => ({
      ...{ kind, inputs, studied, formula: formula.value, fault: fault.value },
      ...{ at: at.value, model: model.value, layer: layer.value },
    }),
  };
}
