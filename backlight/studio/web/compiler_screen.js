// Compiler: what it makes of a model, stage by stage; where its time goes, under the machine's roof.

import { twoPanes } from "/web/compiler_lines.js";
import { button, choice, field, h, put, s, table } from "/web/dom.js";
import { percent, power, short } from "/web/number.js";

export async function open(main, page) {
  const { say, ask } = page;
  const known = await ask("compiler.choices");
  const problem = h("div", {});
  const panes = twoPanes(page, known.stages, () => load());
  const measured = h("div", { class: "columns" });
  const model = choice(known.models, "mlp", run, { "data-first": true });
  const size = choice(
    known.shapes.map((one) => [one, say(`compiler.size.${one}`)]),
    "digits",
    run,
  );
  const batch = h("input", { type: "number", min: 1, max: 128, value: 32, on: { change: run } });
  const inference = h("input", { type: "checkbox", on: { change: run } });
  const go = button(say("compiler.measure"), measure, { class: "main", "data-measure": true });

  put(
    main,
    h(
      "div",
      { class: "columns two" },
      h(
        "div",
        { class: "columns" },
        h(
          "section",
          { class: "card" },
          h("h2", {}, say("compiler.program")),
          field(say("compiler.model"), model),
          field(say("compiler.images"), size),
          field(say("toy.setting.batch"), batch),
          field(say("compiler.inference"), inference),
          go,
        ),
        problem,
        h("p", { class: "note" }, say("compiler.told")),
      ),
      h("div", { class: "columns" }, measured, panes.element),
    ),
  );

  const params = () => ({
    model: model.value,
    size: size.value,
    batch: Number(batch.value),
    inference: inference.checked,
  });

  function run() {
    put(measured);
    load();
  }

  function load() {
    panes.working();
    ask("compiler.stage", { ...params(), ...panes.chosen() }, { latest: true }).then(
      (found) => {
        put(problem);
        panes.show(found);
      },
      (error) => {
        panes.failed();
        page.complain(problem, error);
      },
    );
  }

  function measure() {
    put(measured, h("p", { class: "quiet" }, say("compiler.measuring")));
    ask("compiler.profile", params()).then(draw, (error) => {
      put(measured);
      page.complain(problem, error);
    });
  }

  function draw(found) {
    put(
      measured,
      h(
        "div",
        { class: "tiles" },
        [
          ["compiler.time", found.milliseconds < 1 ? `${micro(found.milliseconds)} µs` : `${short(found.milliseconds, 3)} ms`],
          ["compiler.calls", String(found.calls)],
          ["compiler.kernels", String(found.kernels)],
          ["compiler.threads", String(found.threads)],
          ["compiler.memory", bytes(found.memory)],
        ].map(([name, value]) => h("div", { class: "tile" }, h("span", {}, say(name)), h("b", {}, value))),
      ),
      h(
        "div",
        { class: "roofed" },
        roof(found),
        table(
          ["compiler.call", "µs", "compiler.part", "GFLOP/s", "GB/s", "compiler.peak"].map((one) =>
            one.includes(".") ? say(one) : one,
          ),
          found.lines.map((one) => [
            h("span", { title: one.label }, one.label.length > 42 ? `${one.label.slice(0, 41)}…` : one.label),
            micro(one.ms),
            percent(one.ms / found.milliseconds),
            one.gflops ? short(one.gflops, 3) : "–",
            short(one.gbs, 3),
            percent(one.share, 0),
          ]),
          { caption: say("compiler.table") },
        ),
      ),
    );
  }

  function micro(milliseconds) {
    return short(1000 * milliseconds, 3);
  }

  function bytes(count) {
    return count < 2 ** 20 ? `${short(count / 2 ** 10, 3)} KiB` : `${short(count / 2 ** 20, 3)} MiB`;
  }

  /** The roofline: no call can be above memory's slope or the flat top of the multiply-adds. */
  function roof(found) {
    const [left, right, top, bottom, width, height] = [50, 12, 12, 40, 460, 300];
    const points = found.lines
      .filter((one) => one.gflops > 0 && one.gbs > 0)
      .map((one) => ({ ...one, x: one.gflops / one.gbs }));
    const [x0, x1] = [
      Math.floor(Math.log10(Math.min(0.1, ...points.map((one) => one.x)))),
      Math.ceil(Math.log10(Math.max(100, ...points.map((one) => one.x)))),
    ];
    const y1 = Math.ceil(Math.log10(found.peak.gflops));
    const y0 = Math.min(-1, Math.floor(Math.log10(Math.min(1, ...points.map((one) => one.gflops)))));
    const x = (value) => left + ((Math.log10(value) - x0) / (x1 - x0)) * (width - left - right);
    const y = (value) => height - bottom - ((Math.log10(value) - y0) / (y1 - y0)) * (height - top - bottom);
    const ridge = found.peak.gflops / found.peak.gbs;
    const start = Math.max(10 ** x0, 10 ** y0 / found.peak.gbs);
    const ticks = (from, to) => Array.from({ length: to - from + 1 }, (_, k) => from + k);
    return h(
      "figure",
      { class: "chart" },
      h("figcaption", {}, say("compiler.roof")),
      s(
        "svg",
        {
          viewBox: `0 0 ${width} ${height}`,
          role: "img",
          "aria-label": say("compiler.roof_told", {
            gflops: short(found.peak.gflops, 3),
            gbs: short(found.peak.gbs, 3),
            count: points.length,
          }),
        },
        ticks(x0, x1).map((k) => [
          s("line", { class: "grid", x1: x(10 ** k), x2: x(10 ** k), y1: top, y2: height - bottom }),
          s("text", { x: x(10 ** k), y: height - bottom + 15, "text-anchor": "middle" }, power(k)),
        ]),
        ticks(y0, y1).map((k) => [
          s("line", { class: "grid", x1: left, x2: width - right, y1: y(10 ** k), y2: y(10 ** k) }),
          s("text", { x: left - 6, y: y(10 ** k) + 4, "text-anchor": "end" }, power(k)),
        ]),
        s(
          "g",
          { class: "c1" },
          s("path", {
            class: "line",
            d: `M${x(start)} ${y(start * found.peak.gbs)}L${x(ridge)} ${y(found.peak.gflops)}L${width - right} ${y(found.peak.gflops)}`,
          }),
        ),
        s(
          "g",
          { class: "c0" },
          points.map((one) =>
            s(
              "circle",
              {
                cx: x(one.x),
                cy: y(one.gflops),
                r: 3 + 9 * Math.sqrt(one.ms / found.milliseconds),
                fill: "currentColor",
                "fill-opacity": 0.55,
                stroke: "currentColor",
              },
              s("title", {}, `${one.label}: ${short(one.gflops, 3)} GFLOP/s`),
            ),
          ),
        ),
        s("text", { x: width - right, y: height - 6, "text-anchor": "end" }, say("compiler.intensity")),
        s("text", { x: 4, y: height - 6 }, "GFLOP/s"),
        s(
          "text",
          { x: width - right, y: y(found.peak.gflops) - 5, "text-anchor": "end" },
          `${short(found.peak.gflops, 3)} GFLOP/s`,
        ),
      ),
      h("p", { class: "note" }, say("compiler.roof_note")),
    );
  }

  load();
  return { again: load, key: panes.key, keys: [["↑ ↓", "keys.lines"]] };
}
