// A net live: a pixel, a weight or a gate of a whole ConvNet is dragged, and every value and gradient follows.

import { button, choice, field, h, put } from "/web/dom.js";
import { netMaps } from "/web/net_maps.js";
import { percent, short } from "/web/number.js";

export async function open(main, page) {
  const { say, ask, drag } = page;
  const runs = await ask("net.choices");
  let run = page.address().get("run") ?? "fresh";
  if (!runs.some((one) => one.run === run)) run = "fresh";
  let held = page.recall();
  let net = null;
  let example = held.example ?? 0;
  let layer = held.layer ?? "x";
  let chosen = null;
  let tabs = [];
  let last = null;

  const problem = h("div", {});
  const body = h("div", {}, h("p", { class: "quiet" }, say("net.compiling")));
  const picker = choice(
    [["fresh", say("net.fresh")], ...runs.map((one) => [one.run, `${one.run} (${one.data}, ${one.model})`])],
    run,
    (name) => {
      run = name;
      example = 0;
      load();
    },
    { "data-first": true },
  );
  const image = h("img", {
    class: "pixels",
    alt: "",
    style: { width: "192px", height: "192px", cursor: "crosshair" },
    on: {
      click: (event) => {
        const [channels, rows, columns] = net.shape;
        const box = image.getBoundingClientRect();
        const [x, y] = [
          Math.floor(((event.clientX - box.left) / box.width) * columns),
          Math.floor(((event.clientY - box.top) / box.height) * rows),
        ];
        pick("pixel", "x", Math.min(channels, 1) && y * columns + x);
      },
    },
  });
  const which = h("input", {
    type: "number",
    min: 0,
    value: 0,
    on: {
      change: () => {
        example = Number(which.value);
        load();
      },
    },
  });
  const slider = h("input", {
    type: "range",
    step: "any",
    "aria-label": say("net.slider"),
    "data-slider": true,
    on: { input: move },
  });
  const told = h("p", {}, say("net.choose"));
  const change = h("p", { class: "note", "data-change": true });
  const weights = h("select", { on: { change: () => pick("weight", weights.value) } });
  const index = h("input", {
    type: "number",
    min: 0,
    step: 1,
    disabled: true,
    "data-index": true,
    on: { change: () => chosen && pick(chosen.kind, chosen.name, Number(index.value)) },
  });
  const shares = h("div", { class: "bars" });
  const loss = h("b", { class: "value", "data-loss": true });
  const list = h("div", {});
  const pictures = netMaps(page, (index) => pick(layer === "x" ? "pixel" : "gate", layer, index));
  const title = h("h2", {});

  put(main, problem, body);

  function load() {
    put(problem);
    put(body, h("p", { class: "quiet" }, say("net.compiling")));
    page.keep(run === "fresh" ? {} : { run });
    ask("net.open", { run, example }).then(show, (error) => {
      put(body, field(say("net.run"), picker));
      page.complain(problem, error);
    });
  }

  function show(found) {
    net = found;
    chosen = null;
    index.disabled = true;
    index.value = "";
    last = null;
    layer = net.layers.some((one) => one.path === layer) ? layer : "x";
    image.src = net.picture;
    image.alt = say("net.image", { label: net.classes[net.label] });
    which.max = net.examples - 1;
    put(
      weights,
      net.weights.map((one) => h("option", { value: one.name }, `${one.name} ${one.shape.join("×")}`)),
    );
    put(told, say("net.choose"));
    put(change);
    slider.disabled = true;
    tabs = [["x", say("net.input"), net.shape], ...net.layers.map((one) => [one.path, one.kind, one.shape])].map(
      ([path, kind, shape]) =>
        button(
          `${path} ${kind}`,
          () => {
            layer = path;
            follow();
          },
          { "data-layer": path, title: shape.join("×") },
        ),
    );
    put(
      list,
      tabs.map((tab) =>
        h("div", { class: "layer" }, tab, h("span", { class: "value" }), h("span", { class: "gradient" })),
      ),
    );
    put(
      body,
      h(
        "div",
        { class: "columns three" },
        h(
          "div",
          { class: "columns" },
          h(
            "section",
            { class: "card" },
            field(say("net.run"), picker),
            net.examples > 1 ? field(say("net.example"), which) : null,
            image,
            h("p", { class: "note" }, say("net.click")),
          ),
          h(
            "section",
            { class: "card" },
            h("h2", {}, say("net.drag")),
            h(
              "div",
              { class: "row" },
              button(say("net.pixel"), () => pick("pixel", "x"), { "data-pixel": true }),
              button(say("net.gate"), () => pick("gate", layer === "x" ? net.layers[1].path : layer), {
                "data-gate": true,
              }),
              button(say("net.weight"), () => pick("weight", weights.value), { "data-weight": true }),
            ),
            field(say("net.parameter"), weights),
            field(say("net.index"), index),
            told,
            slider,
            change,
          ),
        ),
        h(
          "div",
          { class: "columns" },
          h(
            "section",
            { class: "card" },
            title,
            h("h3", { class: "value" }, say("net.values")),
            pictures.values,
            h("h3", { class: "gradient" }, say("net.slopes")),
            pictures.slopes,
            h("p", { class: "note" }, say("net.map")),
          ),
        ),
        h(
          "div",
          { class: "columns" },
          h("section", { class: "card" }, h("h2", {}, say("axis.loss"), " ", loss), shares),
          h(
            "section",
            { class: "card" },
            h("h2", {}, say("net.layers")),
            h("p", { class: "note" }, say("net.sizes")),
            list,
          ),
        ),
      ),
    );
    follow();
    const { kind, name, index: place, now } = held.chosen ?? {};
    held = {};
    if (kind) pick(kind, name, place, now);
  }

  function pick(kind, name, place = null, now = null) {
    const asked =
      place === null ? ask("net.strongest", { example, name }) : ask("net.number", { example, name, index: place });
    asked.then(
      (found) => {
        chosen = { kind, ...found, now: now ?? found.value };
        slider.disabled = false;
        [slider.min, slider.max] = [-Math.max(found.reach, 1e-3), Math.max(found.reach, 1e-3)];
        slider.value = chosen.now;
        index.disabled = false;
        [index.value, index.max] = [found.index, found.count - 1];
        put(
          told,
          say(`net.is_${kind}`, {
            name: found.name,
            place: found.place.join(", "),
            value: short(found.value),
            gradient: short(found.gradient, 3),
          }),
        );
        put(change);
        follow();
      },
      (error) => page.complain(problem, error),
    );
  }

  function move() {
    chosen.now = Number(slider.value);
    follow();
  }

  function follow() {
    const edits =
      chosen && chosen.now !== chosen.value
        ? [{ kind: chosen.kind, name: chosen.name, index: chosen.index, value: chosen.now }]
        : [];
    drag("net.drag", { example, layer, edits }, (found, error) => {
      if (error) page.complain(problem, error);
      else draw(found);
    });
  }

  function draw(found) {
    last = found;
    put(problem);
    loss.textContent = short(found.loss, 5);
    if (found.chosen) {
      put(
        change,
        say("circuit.change", { predicted: short(found.chosen.predicted, 3), true: short(found.chosen.true, 3) }),
        " ",
        say("net.now", { value: short(chosen.now), gradient: short(found.chosen.gradient, 3) }),
      );
    }
    put(
      shares,
      found.probabilities.map((share, k) => [
        h("span", {}, net.classes[k], k === net.label ? " ✓" : ""),
        h("span", {}, h("i", { style: { width: `${100 * share}%` } })),
        h("span", {}, percent(share)),
      ]),
    );
    found.layers.forEach(([, size, slope, zero], k) => {
      const row = list.children[k];
      row.children[1].textContent = short(size, 3);
      row.children[2].textContent = zero > 0.999 ? "0" : short(slope, 2);
      tabs[k].setAttribute("aria-pressed", String(tabs[k].dataset.layer === layer));
    });
    title.textContent = say("net.layer", { path: found.layer, shape: found.map.join("×") });
    pictures.show(found);
    main.dataset.moves = String(Number(main.dataset.moves ?? 0) + 1);
  }

  load();
  return {
    again: load,
    repaint: () => last && pictures.show(last),
    state: () => ({ example, layer, chosen }),
  };
}
