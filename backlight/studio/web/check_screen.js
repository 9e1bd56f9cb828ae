// Check: analytic gradients beside numerical ones, worst first; and faults planted to be found.

import { chart } from "/web/charts.js";
import { button, choice, field, h, put, table } from "/web/dom.js";
import { short } from "/web/number.js";

export async function open(main, page) {
  const { say, ask } = page;
  const known = await ask("check.choices");
  let kind = "formula";
  let inputs = { ...known.formulas[10].inputs };
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
  const under = h(
    "section",
    { class: "columns", hidden: true },
    h("p", { class: "note" }, say("check.curve_told")),
    curve.element,
  );

  const formula = h("input", {
    type: "text",
    class: "expression",
    value: known.formulas[10].formula,
    spellcheck: "false",
    "data-first": true,
    "aria-label": say("circuit.formula"),
    on: { change: retyped },
  });
  const values = h("input", {
    type: "text",
    class: "expression",
    spellcheck: "false",
    "aria-label": say("check.values"),
    on: { change: revalued },
  });
  const example = choice(
    known.formulas.map((one, k) => [String(k), one.name]),
    "10",
    (k) => {
      formula.value = known.formulas[k].formula;
      inputs = { ...known.formulas[k].inputs };
      write();
      run();
    },
  );
  const fault = choice(
    [["", say("check.none")], ...known.faults.map((one) => [one, say(`check.fault.${one}`)])],
    "",
    run,
    { "data-fault": true },
  );
  const at = h("select", { on: { change: run } });
  const model = choice(known.models, known.models[2], run);
  const layer = choice(known.layers, "Linear", run);
  const panels = {
    formula: h(
      "div",
      {},
      field(say("circuit.examples"), example),
      field("f", formula),
      field(say("circuit.inputs"), values),
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
      .join("; ");
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
    const rows = found.rows.map((row) => ({
      attributes: { class: row.failed ? "failed" : null },
      cells: [
        kind === "formula" && row.index ? button(row.place, () => study(row)) : row.place,
        short(row.analytic, 7),
        `${short(row.numeric, 7)} ± ${short(row.noise, 1)}`,
        short(row.error, 2),
        h("span", { class: row.failed ? "gradient" : "value" }, `${row.failed ? "✗" : "✓"} ${row.verdict}`),
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
      table(
        ["check.number", "check.analytic", "check.numeric", "check.error", "check.verdict", "check.told"].map((one) =>
          say(one),
        ),
        rows,
      ),
    );
    page.speak(`${say(found.ok ? "check.right" : "check.wrong")} ${found.summary}`);
  }

  function study(row) {
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
          { title: row.place },
        );
        under.scrollIntoView({ block: "nearest" });
      },
      (error) => page.complain(problem, error),
    );
  }

  write();
  show("formula");
  return { close: () => curve.close(), again: run };
}
