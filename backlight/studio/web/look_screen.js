// Look inside: a picture through a net, layer by layer; which pixels count; what classes and layers like.

import { button, choice, field, h, put } from "/web/dom.js";
import { Lost, Refused, Stale } from "/web/live.js";
import { modes } from "/web/look_modes.js";
import { own } from "/web/look_own.js";
import { percent, short } from "/web/number.js";

const MODES = ["layers", "saliency", "occlusion", "adversary", "classes", "dream"];

export async function open(main, page) {
  const { say, ask } = page;
  const known = await ask("look.choices");
  let run =
    page.address().get("run") ?? known.runs.find((one) => /conv/.test(one.model))?.run ?? known.runs[0]?.run ?? "fresh";
  let example = 0;
  let mode = "layers";
  let seen = null;
  let under = null;

  const problem = h("div", {});
  const result = h("div", { class: "columns" });
  const image = h("img", { class: "pixels", alt: "", style: { width: "160px", height: "160px" } });
  const answer = h("div", { class: "bars" });
  const picker = choice(
    [...known.runs.map((one) => [one.run, `${one.run} (${one.data}, ${one.model})`]), ["fresh", say("net.fresh")]],
    run,
    (name) => {
      run = name;
      example = which.value = 0;
      mine.forget();
      load();
    },
    { "data-first": true },
  );
  const which = h("input", {
    type: "number",
    min: 0,
    value: 0,
    on: {
      change: () => {
        example = Number(which.value);
        mine.forget();
        load();
      },
    },
  });
  const mine = own(page, () => load());
  const target = h("select", { on: { change: show } });
  const method = choice(
    known.methods.map((one) => [one, say(`look.method.${one}`)]),
    "gradient",
    show,
  );
  const kind = choice(
    known.answers.map((one) => [one, say(`look.answer.${one}`)]),
    "score",
    show,
  );
  const epsilon = h("input", {
    type: "range",
    min: 0,
    max: 0.3,
    step: 0.01,
    value: 0,
    "aria-label": say("look.epsilon"),
    on: {
      input: () => {
        sized.textContent = percent(Number(epsilon.value), 0);
      },
      change: show,
    },
  });
  const sized = h("output", {}, "0 %");
  const layer = h("select", {});
  const numbers = Object.fromEntries(
    [
      ["octaves", 3, 1, 5],
      ["steps", 16, 1, 60],
      ["jitter", 4, 0, 16],
      ["rate", 0.01, 0.001, 0.2],
    ].map(([name, value, min, max]) => [name, h("input", { type: "number", name, value, min, max, step: "any" })]),
  );
  const options = h("section", { class: "card" });
  const tabs = h(
    "div",
    { class: "row", role: "group", "aria-label": say("look.mode") },
    MODES.map((one) =>
      button(
        say(`look.${one}`),
        () => {
          mode = one;
          show();
        },
        { "data-mode": one },
      ),
    ),
  );

  put(
    main,
    h(
      "div",
      { class: "columns two" },
      h(
        "div",
        { class: "columns" },
        h("section", { class: "card" }, field(say("net.run"), picker), field(say("net.example"), which), mine.element, image, answer),
        options,
      ),
      h("div", { class: "columns" }, tabs, problem, result),
    ),
  );

  const params = (more = {}) => ({ run, example, ...mine.params(), ...more });
  const aim = () => (target.value === "" ? {} : { target: Number(target.value) });

  function load() {
    put(problem);
    put(result, h("p", { class: "quiet" }, say("look.loading")));
    under?.cancel?.();
    under = ask("look.open", params(), { latest: true });
    under.then((found) => {
      mine.wants(found.wants);
      seen = found;
      image.hidden = false;
      image.src = found.picture;
      image.alt = seen.alt =
        found.label === null ? say("look.own_alt") : say("net.image", { label: found.classes[found.label] });
      which.max = found.examples - 1;
      put(
        target,
        h("option", { value: "" }, say("look.winner")),
        found.classes.map((name, k) => h("option", { value: k }, name)),
      );
      put(
        layer,
        h("option", { value: "" }, say("look.last")),
        found.layers
          .filter((one) => one.maps)
          .map((one) => h("option", { value: one.path }, `${one.path} ${one.kind}`)),
      );
      const order = found.probabilities
        .map((share, k) => [share, k])
        .sort((a, b) => b[0] - a[0])
        .slice(0, 5);
      put(
        answer,
        order.map(([share, k]) => [
          h("span", {}, found.classes[k], k === found.label ? " ✓" : ""),
          h("span", {}, h("i", { style: { width: `${100 * share}%` } })),
          h("span", {}, percent(share)),
        ]),
      );
      show();
    }, unopened);
  }

  function unopened(error) {
    if (error instanceof Refused) {
      seen = null;
      image.hidden = true;
      put(answer);
    }
    fail(error);
  }

  const state = () => ({ seen, params, aim, method: method.value, kind: kind.value, epsilon: Number(epsilon.value) });
  const asked = (question) => {
    under = question;
  };
  const shows = modes(page, result, state, asked, fail, show);

  function fail(error) {
    if (error instanceof Stale || error instanceof Lost) return; // something newer is on its way
    put(result);
    page.complain(problem, error);
  }

  function show() {
    put(problem);
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.mode === mode));
    const fields = {
      layers: () => [h("p", { class: "note" }, say("look.layers_told"))],
      saliency: () => [
        field(say("look.how"), method),
        field(say("look.of"), kind),
        field(say("look.class"), target),
      ],
      occlusion: () => [field(say("look.class"), target), h("p", { class: "note" }, say("look.occlusion_told"))],
      adversary: () => [field("ε", h("span", {}, epsilon, sized)), h("p", { class: "note" }, say("look.adversary_told"))],
      classes: () => [h("p", { class: "note" }, say("look.classes_told"))],
      dream: () => [
        field(say("look.layer"), layer),
        ...Object.entries(numbers).map(([name, element]) => field(say(`look.${name}`), element)),
        button(say("look.start_dream"), dream, { class: "main", "data-dream": true }),
        h("p", { class: "note" }, say("look.dream_told")),
      ],
    };
    put(options, h("h2", {}, say(`look.${mode}`)), fields[mode]());
    if (!seen) return;
    under?.cancel?.();
    const draws = { ...shows, dream: () => put(result, h("p", { class: "quiet" }, say("look.not_yet"))) };
    draws[mode]();
  }

  function dream() {
    const bar = h("progress", { max: 1, value: 0, "aria-label": say("look.dream") });
    const picture = h("img", {
      class: "pixels",
      src: seen.picture,
      alt: say("look.dream"),
      style: { width: "min(100%, 384px)" },
    });
    const stop = button(say("look.stop"), () => under.cancel());
    put(result, bar, h("div", {}, picture), stop);
    under = ask(
      "look.dream",
      params({
        layer: layer.value,
        ...Object.fromEntries(Object.entries(numbers).map(([name, element]) => [name, Number(element.value)])),
      }),
      {
        progress: (share, shown) => {
          bar.value = share;
          if (shown) picture.src = shown;
        },
      },
    );
    under.then(
      (found) => {
        picture.src = found.picture;
        bar.value = 1;
        stop.replaceWith(
          h(
            "p",
            {},
            say("look.dreamt", { layer: found.layer, before: short(found.before, 3), after: short(found.after, 3) }),
          ),
        );
      },
      (error) => {
        stop.remove();
        page.complain(problem, error);
      },
    );
  }

  load();
  return { again: load, close: () => under?.cancel?.(), repaint: show };
}
