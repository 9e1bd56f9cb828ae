// What each way of looking shows: maps, units, saliency, occlusion, adversaries, class images.

import { button, h, put } from "/web/dom.js";
import { heat, paint } from "/web/heat.js";
import { percent, short } from "/web/number.js";

/**
 * The modes by name, each a function that fills `result`. `state()` answers with what was opened last, the
 * parameters of a question, and the values of the controls; `asked(promise)` is told of every question.
 */
export function modes(page, result, state, asked, fail, show) {
  const { say, ask } = page;

  function wait(name, more, draw) {
    put(result, h("p", { class: "quiet" }, say("look.loading")));
    const question = ask(name, state().params(more));
    asked(question);
    question.then((found) => {
      put(result);
      draw(found);
    }, fail);
  }

  function layers() {
    let at = 0;
    put(
      result,
      state().seen.layers.map((one) => {
        const [count, rows, columns] = one.shape;
        const size = rows * columns;
        let most = 0;
        for (let k = at; k < at + count * size; k++) most = Math.max(most, Math.abs(state().seen.floats[k]));
        const canvases = Array.from({ length: count }, (_, k) => {
          const dead = one.still[k];
          const label = say(dead ? "look.dead_map" : "look.map", { path: one.path, number: k });
          const canvas = h("canvas", {
            role: one.maps ? "button" : "img",
            tabindex: one.maps ? 0 : null,
            class: dead ? "dead" : null,
            "aria-label": label,
            title: label,
            on: one.maps
              ? { click: () => unit(one.path, k), keydown: (event) => event.key === "Enter" && unit(one.path, k) }
              : {},
          });
          if (!one.maps)
            Object.entries({ width: "100%", height: "26px" }).forEach(([key, value]) =>
              canvas.style.setProperty(key, value),
            );
          return paint(canvas, state().seen.floats.subarray(at + k * size, at + (k + 1) * size), rows, columns, most);
        });
        at += count * size;
        return h(
          "section",
          { class: "card" },
          h(
            "h3",
            {},
            `${one.path} ${one.kind}`,
            h("span", { class: "quiet" }, ` · ${say(one.maps ? "look.maps" : "look.numbers", { count: one.count })}`),
            one.dead ? h("span", { class: "gradient" }, ` · ${say("look.dead", { count: one.dead })}`) : null,
          ),
          h("div", { class: "maps" }, canvases),
        );
      }),
    );
  }

  function unit(path, number) {
    wait("look.unit", { layer: path, unit: number }, (found) => {
      put(
        result,
        button(`← ${say("look.layers")}`, show),
        h("h2", {}, say("look.unit", { path, number, field: found.field, active: percent(found.active) })),
        h(
          "div",
          { class: "gallery" },
          found.pictures.map((one) =>
            h(
              "figure",
              { class: "picture" },
              boxed(one, found.size),
              h("figcaption", {}, `${state().seen.classes[one.label]} · ${short(one.value, 3)}`),
            ),
          ),
        ),
      );
    });
  }

  /** A picture with a frame around what the unit sees of it. */
  function boxed(one, [height, width]) {
    const holder = h(
      "div",
      { class: "boxed" },
      h("img", { src: one.picture, class: "pixels", alt: state().seen.classes[one.label] }),
    );
    const [top, bottom, left, right] = one.box;
    const frame = h("span", { class: "sight", "aria-hidden": "true" });
    Object.entries({
      left: left / width,
      top: top / height,
      width: (right - left) / width,
      height: (bottom - top) / height,
    }).forEach(([name, share]) => frame.style.setProperty(name, `${100 * share}%`));
    holder.append(frame);
    return holder;
  }

  function beside(found, told, label) {
    const [rows, columns] = found.shape;
    put(
      result,
      h(
        "div",
        { class: "gallery large" },
        h(
          "figure",
          { class: "picture" },
          h("img", { src: state().seen.picture, class: "pixels", alt: state().seen.alt }),
          h("figcaption", {}, state().seen.alt),
        ),
        h("figure", { class: "picture" }, heat(found.floats, rows, columns, label), h("figcaption", {}, label)),
      ),
      told,
    );
  }

  function saliency() {
    wait("look.saliency", { method: state().method, answer: state().kind, ...state().aim() }, (found) =>
      beside(
        found,
        [
          h(
            "p",
            {},
            say(`look.value_${state().kind}`, {
              class: state().seen.classes[found.target],
              value: state().kind === "score" ? short(found.value) : percent(found.value),
            }),
          ),
          found.method === "integrated"
            ? h(
                "p",
                { class: "note", "data-complete": true },
                say("look.complete", { total: short(found.total), difference: short(found.difference) }),
              )
            : null,
          found.layer ? h("p", { class: "note" }, say("look.cam_layer", { layer: found.layer })) : null,
          h("p", { class: "note" }, say(found.signed ? "look.saliency_signed" : "look.saliency_size")),
        ],
        say(`look.method.${found.method}`),
      ),
    );
  }

  function occlusion() {
    wait("look.occlusion", state().aim(), (found) =>
      beside(
        found,
        h(
          "p",
          {},
          say("look.occluded", {
            class: state().seen.classes[found.target],
            value: percent(found.value),
            patch: found.patch,
          }),
        ),
        say("look.drop"),
      ),
    );
  }

  function adversary() {
    wait("look.adversary", { epsilon: state().epsilon }, (found) => {
      const [rows, columns] = found.shape;
      put(
        result,
        h(
          "div",
          { class: "gallery large" },
          [
            [
              h("img", { src: state().seen.picture, class: "pixels", alt: state().seen.alt }),
              say("look.verdict", { class: state().seen.classes[found.before], share: percent(found.sure_before) }),
            ],
            [heat(found.floats, rows, columns, say("look.change")), say("look.change")],
            [
              h("img", { src: found.picture, class: "pixels", alt: say("look.changed") }),
              say("look.verdict", { class: state().seen.classes[found.after], share: percent(found.sure_after) }),
            ],
          ].map(([picture, told]) => h("figure", { class: "picture" }, picture, h("figcaption", {}, told))),
        ),
        h(
          "p",
          {},
          say(found.flipped ? "look.flipped" : "look.held", {
            largest: percent(found.largest, 2),
            relative: percent(found.relative, 2),
          }),
        ),
      );
    });
  }

  function classes() {
    wait("look.classes", {}, (found) =>
      put(
        result,
        h(
          "div",
          { class: "gallery" },
          found.map((one) =>
            h(
              "figure",
              { class: "picture" },
              h("img", { src: one.picture, class: "pixels", alt: state().seen.classes[one.class] }),
              h(
                "figcaption",
                {},
                say("look.verdict", { class: state().seen.classes[one.class], share: percent(one.probability, 0) }),
              ),
            ),
          ),
        ),
      ),
    );
  }

  return { layers, saliency, occlusion, adversary, classes };
}
