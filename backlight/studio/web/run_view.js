// One run as it stands: curves, gradient flow, update ratios, activations. Drawn anew as it grows.

import { chart } from "/web/charts.js";
import { remarks } from "/web/doctor.js";
import { h, put } from "/web/dom.js";
import { percent, seconds, short } from "/web/number.js";

export function runView(page) {
  const { say } = page;
  const tiles = h("div", { class: "tiles" });
  const state = h("div", {}, h("p", { class: "quiet" }, say("run.none")));
  const made = (title, y, more = {}) =>
    chart({ title: say(title), x: say("axis.epoch"), y: say(y), name: title, height: 220, ...more });
  const charts = {
    loss: made("runs.loss", "axis.loss", { smooth: true }),
    accuracy: made("runs.accuracy", "axis.accuracy"),
    flow: made("runs.flow", "axis.norm", { log: { y: true } }),
    ratios: made("runs.ratios", "axis.ratio", { log: { y: true } }),
  };
  const heard = h("div", {});
  const grid = h(
    "div",
    { class: "halves", hidden: true },
    Object.values(charts).map((one) => one.element),
  );
  const series = (names, x, from) => names.slice(0, 8).map((name) => ({ name, x, y: from[name] }));

  return {
    element: h("div", { class: "columns" }, state, tiles, heard, grid),
    close: () => Object.values(charts).forEach((one) => one.close()),
    show(run) {
      if (run.problem || run.waiting) {
        put(
          state,
          h("p", { class: run.problem ? "problem" : "quiet" }, run.problem ?? say("run.waiting", { name: run.name })),
        );
        return;
      }
      grid.hidden = false;
      const last = (values) => values[values.length - 1];
      put(
        state,
        h(
          "p",
          {},
          h("b", {}, run.name),
          " · ",
          say(run.alive ? "run.alive" : run.starting ? "run.starting" : run.ended ? "run.ended" : "run.still"),
          run.failed ? h("p", { class: "problem" }, run.failed) : null,
          run.stopped ? ` · ${run.stopped}` : "",
          run.damaged ? h("span", { class: "warm" }, say("run.damaged", { count: run.damaged })) : null,
        ),
      );
      const { epochs, layers } = run;
      put(
        tiles,
        [
          ["axis.epoch", short(last(epochs.x), 3)],
          ["runs.validation", percent(last(epochs.validation_accuracy))],
          ["runs.test", percent(run.test_accuracy)],
          ["runs.seconds", seconds(run.seconds)],
        ].map(([name, value]) => h("div", { class: "tile" }, h("span", {}, say(name)), h("b", {}, value))),
      );
      put(heard, remarks(page, run.remarks));
      const axis = { x: say(`axis.${run.unit}`) };
      charts.loss.update(
        [
          { name: say("runs.step_loss"), ...run.steps, colour: 7 },
          { name: say("runs.train"), x: epochs.x, y: epochs.train_loss, colour: 0 },
          { name: say("runs.held"), x: epochs.x, y: epochs.validation_loss, colour: 1 },
        ],
        { ...axis, name: `${run.name}-loss` },
      );
      charts.accuracy.update(
        [
          { name: say("runs.train"), x: epochs.x, y: epochs.train_accuracy, colour: 0 },
          { name: say("runs.held"), x: epochs.x, y: epochs.validation_accuracy, colour: 1 },
        ],
        { ...axis, name: `${run.name}-accuracy` },
      );
      const weights = layers.names.filter((name) => name.endsWith("weight"));
      charts.flow.update(series(weights, layers.x, layers.gradient_norm), axis);
      charts.ratios.update(series(weights, layers.x, layers.update_ratio), axis);
    },
  };
}
