// Runs: the folders on disk, what sets them apart, their curves and confusions side by side.

import { chart } from "/web/charts.js";
import { remarks } from "/web/doctor.js";
import { button, h, put, s, table } from "/web/dom.js";
import { Refused } from "/web/live.js";
import { percent, seconds, short } from "/web/number.js";
import { confusionCard } from "/web/runs_confusion.js";

const MOST = 8;

export async function open(main, page) {
  const { say, ask } = page;
  const chosen = new Set((page.address().get("runs") ?? "").split(",").filter(Boolean));
  const list = h("div", {});
  const below = h("div", { class: "columns" });
  const problem = h("div", {});
  let found = [];
  let charts = [];

  async function load() {
    let answer;
    try {
      answer = await ask("runs.list");
    } catch (error) {
      page.complain(problem, error);
      return;
    }
    found = answer.runs;
    for (const name of chosen) if (!found.some((one) => one.name === name)) chosen.delete(name);
    if (!chosen.size) found.slice(0, 2).forEach((one) => chosen.add(one.name));
    if (!found.length) {
      put(
        list,
        h(
          "section",
          { class: "card" },
          h("h2", {}, say("runs.empty")),
          h("p", {}, say("runs.empty_folder", { folder: answer.folder })),
          h(
            "p",
            { class: "row" },
            h("a", { href: "/train?kind=run" }, say("runs.try_digits")),
            h("a", { href: "/train" }, say("runs.try_spiral")),
            h("a", { href: "/circuit" }, say("runs.try_circuit")),
          ),
        ),
      );
      put(below);
      return;
    }
    drawList();
    await compare();
  }

  function drawList() {
    const head = ["name", "validation", "loss", "epoch", "state", "course", "differs"];
    const named = (one) => say(one === "loss" || one === "epoch" ? `axis.${one}` : `runs.${one}`);
    put(
      list,
      table(
        head.map(named),
        found.map((run) => ({
          attributes: { "aria-selected": String(chosen.has(run.name)) },
          cells: [
            h(
              "label",
              { class: "tick" },
              h("input", {
                type: "checkbox",
                checked: chosen.has(run.name),
                disabled: !chosen.has(run.name) && chosen.size >= MOST,
                on: { change: () => toggle(run.name) },
              }),
              run.name,
            ),
            percent(run.accuracy),
            short(run.loss, 3),
            short(run.epoch, 3),
            run.problem ? h("span", { class: "warm", title: run.problem }, say("runs.damaged")) : say(`runs.${run.state}`),
            spark(run.spark ?? []),
            Object.entries(run.differs)
              .map(([key, value]) => `${key} ${shown(value)}`)
              .join(", ") || "–",
          ],
        })),
        { caption: say("runs.caption", { count: found.length }) },
      ),
    );
    for (const row of list.querySelectorAll("tr")) row.lastChild.className = "apart";
    list.querySelector("input").dataset.first = "true";
  }

  /** A setting as one reads it: nothing is a dash, and a list its parts. */
  function shown(value) {
    if (value === "" || value === null || value === undefined || (Array.isArray(value) && !value.length)) return "–";
    return Array.isArray(value) ? value.join("-") : String(value);
  }

  function spark(values) {
    const known = values.filter((one) => typeof one === "number");
    if (known.length < 2) return "–";
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const d = known
      .map(
        (one, k) =>
          `${k ? "L" : "M"}${(k / (known.length - 1)) * 78 + 1} ${19 - ((one - low) / (high - low || 1)) * 18}`,
      )
      .join("");
    return s(
      "svg",
      { width: 80, height: 20, viewBox: "0 0 80 20", class: "c0", "aria-hidden": "true" },
      s("path", { d, fill: "none", stroke: "currentColor", "stroke-width": 1.5 }),
    );
  }

  async function toggle(name) {
    if (chosen.has(name)) chosen.delete(name);
    else if (chosen.size < MOST) chosen.add(name);
    drawList();
    [...list.querySelectorAll("input")][found.findIndex((one) => one.name === name)].focus();
    await compare();
  }

  async function compare() {
    page.keep({ runs: [...chosen].join(",") });
    charts.forEach((one) => one.close());
    charts = [];
    let runs;
    try {
      runs = await ask("runs.compare", { runs: [...chosen] });
    } catch (error) {
      page.complain(problem, error);
      return;
    }
    const sound = runs.filter((one) => !one.problem);
    put(
      problem,
      runs.filter((one) => one.problem).map((one) => h("p", { class: "problem" }, `${one.name}: ${one.problem}`)),
    );
    const made = (title, y, pick, more = {}) => {
      const one = chart(
        { title: say(title), x: say("axis.epoch"), y: say(y), name: title, ...more },
        sound.map((run, place) => ({ name: run.name, colour: place, ...pick(run) })),
      );
      charts.push(one);
      return one.element;
    };
    put(
      below,
      sound.length
        ? h(
            "div",
            { class: "pairs" },
            made("runs.steps", "axis.loss", (run) => run.steps, { smooth: true, log: { y: true } }),
            made("runs.held_loss", "axis.loss", (run) => ({ x: run.epochs.x, y: run.epochs.validation_loss })),
            made("runs.held_accuracy", "axis.accuracy", (run) => ({
              x: run.epochs.x,
              y: run.epochs.validation_accuracy,
            })),
            made("runs.train_accuracy", "axis.accuracy", (run) => ({ x: run.epochs.x, y: run.epochs.train_accuracy })),
          )
        : null,
      sound.map((run) => remarks(page, run.remarks, run.name)),
      sound.length ? settings(sound) : null,
      sound.length ? await confusions(sound) : null,
    );
  }

  function settings(runs) {
    const keys = [...new Set(runs.flatMap((run) => Object.keys(run.settings)))].sort();
    const value = (run, key) => shown(run.settings[key]);
    const apart = keys.filter((key) => new Set(runs.map((run) => value(run, key))).size > 1);
    const facts = [
      [say("runs.parameters"), (run) => (run.start.parameters ?? "–").toLocaleString()],
      [
        say("runs.test"),
        (run) => (run.test_accuracy === null ? "–" : `${percent(run.test_accuracy)} ± ${percent(run.test_error)}`),
      ],
      [say("runs.looks"), (run) => short(run.looks)],
      [say("runs.seconds"), (run) => seconds(run.seconds)],
      [say("runs.speed"), (run) => (run.images_per_second ? Math.round(run.images_per_second).toLocaleString() : "–")],
    ];
    const rows = (names) => names.map((key) => [key, ...runs.map((run) => value(run, key))]);
    return h(
      "section",
      { class: "card" },
      h("h2", {}, say("runs.apart")),
      table(
        [say("runs.setting"), ...runs.map((run) => run.name)],
        [...facts.map(([name, of]) => [name, ...runs.map(of)]), ...rows(apart)],
      ),
      h(
        "details",
        {},
        h("summary", {}, say("runs.all_settings")),
        table([say("runs.setting"), ...runs.map((run) => run.name)], rows(keys)),
      ),
      h(
        "p",
        { class: "row" },
        runs.map((run) => [
          run.report &&
            h(
              "a",
              { href: `/report/${encodeURIComponent(run.name)}`, target: "_blank", rel: "noopener" },
              say("runs.report", { name: run.name }),
            ),
          run.net &&
            h("a", { href: `/circuit?${new URLSearchParams({ run: run.name })}` }, say("runs.circuit", { name: run.name })),
        ]),
      ),
    );
  }

  async function confusions(runs) {
    const answers = await Promise.all(
      runs.slice(0, 2).map((run) =>
        ask("runs.confusion", { run: run.name }).catch((error) => (error instanceof Refused ? error : null)),
      ),
    );
    const splits = ["train", "validation", "test"];
    const cards = answers.map((one, k) => {
      if (one instanceof Refused) return h("p", { class: "problem" }, one.message);
      if (!one) return null;
      const split = splits.includes(one.split) ? say(`runs.split_${one.split}`) : one.split;
      return confusionCard(say("runs.confusion", { name: runs[k].name, split }), one, false, say);
    });
    const [a, b] = answers;
    if (a?.counts && b?.counts && a.classes.join() === b.classes.join()) {
      const counts = a.counts.map((row, i) => row.map((one, j) => one - b.counts[i][j]));
      const title = say("runs.difference", { a: runs[0].name, b: runs[1].name });
      cards.push(confusionCard(title, { classes: a.classes, counts }, true, say));
    }
    return h("div", { class: "pairs" }, cards);
  }

  put(
    main,
    h(
      "div",
      { class: "row apart" },
      h("h1", { class: "unseen" }, say("screen.runs")),
      h("span", {}),
      button(say("runs.again"), load),
    ),
    list,
    problem,
    below,
  );
  await load();
  return { again: load, close: () => charts.forEach((one) => one.close()) };
}
