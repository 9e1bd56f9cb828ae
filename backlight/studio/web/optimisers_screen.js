// Optimisers: update rules racing down a surface, one step at a time or played.

import { chart } from "/web/charts.js";
import { button, choice, field, h, put } from "/web/dom.js";
import { short } from "/web/number.js";
import { limit, paths, ranking } from "/web/race_paths.js";

const FIRST = ["gradient-descent", "sgd", "adam", "rmsprop"];
const MOST = 8;

export async function open(main, page) {
  const { say, ask, drag } = page;
  const known = await ask("race.choices");
  const chosen = new Set(known.rules.filter((rule) => FIRST.includes(rule.key)).map((rule) => rule.key));
  const rates = Object.fromEntries(known.rules.map((rule) => [rule.key, rule.lr]));
  let surface = known.surfaces[1];
  let start = [...surface.start];
  let found = null;
  let at = 0;
  let playing = null;

  const canvas = h("canvas", {
    class: "plane",
    width: 920,
    height: 920,
    tabindex: 0,
    role: "img",
    "aria-label": say("race.canvas"),
    on: { click: place, keydown: walk },
  });
  const problem = h("div", {});
  const bound = h("p", { class: "note" });
  const standing = h("div", {});
  const losses = chart({
    title: say("race.losses"),
    x: say("axis.step"),
    y: "f",
    log: { y: true },
    name: "race",
    height: 220,
  });
  const formula = h("input", {
    type: "text",
    class: "expression",
    value: surface.formula,
    spellcheck: "false",
    "aria-label": say("race.formula"),
    on: {
      change: () => {
        surface = { key: "", formula: formula.value, start };
        surfaces.value = "";
        run();
      },
    },
  });
  const rate = h("input", {
    type: "range",
    min: -4,
    max: 1,
    step: 0.01,
    value: Math.log10(0.03),
    "aria-label": say("race.rate"),
    on: { input: run },
  });
  const rated = h("output", {});
  const mark = h("span", { class: "mark", "aria-hidden": "true" });
  const plays = button(say("race.play"), play, { class: "main", "data-play": true });
  const counted = h("span", { class: "note", "data-step": true });
  const surfaces = choice(
    [...known.surfaces.map((one) => [one.key, one.name]), ["", say("race.typed")]],
    surface.key,
    (key) => {
      if (!key) {
        formula.focus();
        return;
      }
      surface = known.surfaces.find((one) => one.key === key);
      formula.value = surface.formula;
      start = [...surface.start];
      run();
    },
    { "data-first": true },
  );
  const racers = h(
    "div",
    {},
    known.rules.map((rule) =>
      h(
        "div",
        { class: "row apart" },
        h(
          "label",
          { class: "tick" },
          h("input", {
            type: "checkbox",
            checked: chosen.has(rule.key),
            on: {
              change: (event) => {
                if (!event.target.checked) chosen.delete(rule.key);
                else if (chosen.size < MOST) chosen.add(rule.key);
                else event.target.checked = false;
                run();
              },
            },
          }),
          rule.name,
        ),
        ["random", "local"].includes(rule.key)
          ? null
          : h("input", {
              type: "number",
              step: "any",
              min: 0,
              value: rule.lr ?? "",
              placeholder: say("race.same"),
              style: { width: "4.6rem" },
              "aria-label": say("race.rate_of", { name: rule.name }),
              on: {
                change: (event) => {
                  rates[rule.key] = event.target.value === "" ? null : Number(event.target.value);
                  run();
                },
              },
            }),
      ),
    ),
  );

  put(
    main,
    h(
      "div",
      { class: "columns three" },
      h(
        "div",
        { class: "columns" },
        h(
          "section",
          { class: "card" },
          h("h2", {}, say("race.what")),
          field(say("race.on"), surfaces),
          field("f(x, y) =", formula),
          h("p", { class: "note" }, say("race.click")),
        ),
        h(
          "section",
          { class: "card" },
          h("h2", {}, say("race.racers")),
          h("p", { class: "note" }, say("race.own")),
          racers,
        ),
      ),
      h(
        "div",
        { class: "columns" },
        h(
          "div",
          { class: "row card" },
          plays,
          button("▶", () => go(at + 1), { "aria-label": say("race.step") }),
          button("|◀", () => go(0), { "aria-label": say("race.again") }),
          counted,
          h(
            "label",
            { class: "rate grow" },
            h("span", {}, say("race.rate"), " ", rated),
            h("span", { class: "slot" }, rate, mark),
          ),
        ),
        bound,
        problem,
        canvas,
      ),
      h("div", { class: "columns" }, losses.element, standing),
    ),
  );

  function place(event) {
    if (!found) return;
    const box = canvas.getBoundingClientRect();
    const [left, bottom, right, top] = found.box;
    start = [
      left + ((event.clientX - box.left) / box.width) * (right - left),
      top - ((event.clientY - box.top) / box.height) * (top - bottom),
    ];
    run();
  }

  /** Shift and an arrow move the place where the race starts. */
  function walk(event) {
    const [right, up] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
    if (right === undefined || !event.shiftKey || event.ctrlKey || !found) return;
    event.preventDefault();
    event.stopPropagation();
    const [left, bottom, end, top] = found.box;
    start = [start[0] + (right * (end - left)) / 50, start[1] + (up * (top - bottom)) / 50];
    run();
  }

  function run() {
    const lr = 10 ** Number(rate.value);
    rated.textContent = short(lr, 3);
    drag(
      "race.run",
      {
        surface: surface.key,
        formula: surface.formula,
        start,
        steps: 120,
        racers: [...chosen].map((key) => ({ key, lr: rates[key] ?? lr })),
      },
      (answer, error) => {
        if (error) {
          page.complain(problem, error);
          return;
        }
        put(problem);
        const first = found === null;
        found = answer;
        limit(found, lr, mark, bound, say);
        go(first ? Infinity : at); // at first what will happen is shown whole
      },
    );
  }

  function name(key) {
    return known.rules.find((rule) => rule.key === key).name;
  }

  function go(step) {
    if (!found) return;
    const last = Math.max(0, ...found.racers.map((one) => one.path.length - 1));
    at = Math.max(0, Math.min(last, step));
    counted.textContent = `${at} / ${last}`;
    paths(canvas, found, at);
    losses.update(
      found.racers.map((one, k) => ({
        name: name(one.key),
        colour: k,
        x: one.path.slice(0, at + 1).map((_, place) => place),
        y: one.path.slice(0, at + 1).map((point) => point[2]),
      })),
    );
    put(standing, ranking(found, at, name, say));
  }

  function play() {
    if (playing) {
      stop();
      return;
    }
    const last = Math.max(0, ...(found?.racers ?? []).map((one) => one.path.length - 1));
    if (at >= last) go(0);
    plays.textContent = say("race.pause");
    playing = setInterval(() => {
      const before = at;
      go(at + 1);
      if (at === before) stop();
    }, 90);
  }

  function stop() {
    clearInterval(playing);
    playing = null;
    plays.textContent = say("race.play");
  }

  run();
  return {
    close() {
      stop();
      losses.close();
    },
    again: run,
    repaint: () => found && paths(canvas, found, at),
    keys: [
      ["Space", "keys.play"],
      ["→ ←", "keys.steps"],
      ["0", "keys.renew"],
      ["⇧ ← → ↑ ↓", "keys.place"],
    ],
    key(event) {
      if (event.key === " ") play();
      else if (event.key === "ArrowRight") go(at + 1);
      else if (event.key === "ArrowLeft") go(at - 1);
      else if (event.key === "0") go(0);
      else return false;
      return true;
    },
  };
}
