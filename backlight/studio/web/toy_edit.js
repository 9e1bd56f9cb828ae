// The tools of a toy: points dragged, painted, erased, read from a table and saved; no activations.

import { button, download, h, put } from "/web/dom.js";
import { paint } from "/web/heat.js";
import { short } from "/web/number.js";

const SIGNS = ["●", "■", "▲", "◆", "✚", "●", "■", "▲"];

/** `data()` answers with the points; `loaded(found)` is told of a table that was read. */
export function toolbox(page, data, loaded, complain) {
  const { say, ask } = page;
  const note = h("p", { class: "note", role: "status" });
  const group = h("div", { class: "joined", role: "group", "aria-label": say("toy.tools") });
  const file = h("input", {
    type: "file",
    accept: ".csv,.tsv,.txt,text/csv",
    hidden: true,
    "aria-label": say("toy.load"),
    on: { change: read },
  });
  const flat = button(say("toy.collapse"), collapse, { "data-collapse": true, title: "C" });
  const panel = h("section", { class: "card", hidden: true, "data-collapsed": true });
  let tool = "pick";

  function offer() {
    const classes = data()?.classes ?? 2;
    const made = (what, text, name) =>
      button(text, () => take(what), {
        "data-tool": what,
        "aria-pressed": String(tool === what),
        "aria-label": name,
        title: name,
        class: typeof what === "number" ? `c${what} sign` : null,
      });
    put(
      group,
      made("pick", say("toy.pick_tool"), say("toy.pick_told")),
      Array.from({ length: Math.min(8, classes + 1) }, (_, k) =>
        made(k, k < classes ? SIGNS[k] : `+ ${SIGNS[k]}`, say(k < classes ? "toy.paint_class" : "toy.paint_new", { label: k })),
      ),
      made("erase", say("toy.erase"), say("toy.erase_told")),
    );
  }

  function take(what) {
    tool = what;
    for (const one of group.children) one.setAttribute("aria-pressed", String(one.dataset.tool === String(what)));
  }

  function read() {
    const chosen = file.files[0];
    if (!chosen) return;
    chosen
      .text()
      .then((text) => ask("toy.load", { text }))
      .then((found) => {
        put(note, say(found.scaled ? "toy.scaled" : "toy.loaded", { count: found.labels.length, classes: found.classes }));
        loaded(found);
      }, complain)
      .finally(() => (file.value = ""));
  }

  function save() {
    const { points, labels } = data();
    const rows = points.map(([x, y], k) => `${x},${y},${labels[k]}`);
    download("points.csv", ["x,y,class", ...rows].join("\n"), "text/csv");
  }

  function collapse() {
    ask("toy.collapse").then(({ one, witness }) => {
      flat.setAttribute("aria-pressed", String(one !== null));
      panel.hidden = one === null;
      if (one)
        put(
          panel,
          product(one),
          h("p", {}, say("toy.collapsed", { count: one.layers.length, error: short(one.error, 2) })),
          witness && h("p", { class: "note" }, say("toy.witness", { witness })),
          h("p", { class: "note" }, say("toy.cubed")),
        );
      page.speak(one ? panel.textContent : say("toy.bent"));
    }, complain);
  }

  /** W₃ · W₂ · W₁ = W, as pictures with the numbers of the last. */
  function product(one) {
    const picture = (rows, name) =>
      h(
        "figure",
        { class: "picture factor" },
        paint(h("canvas", { class: "pixels", role: "img", "aria-label": name }), rows.flat(), rows.length, rows[0].length),
        h("figcaption", {}, `${rows.length}×${rows[0].length}`),
      );
    return h(
      "div",
      { class: "row factors" },
      one.layers.map((rows, k) => [k ? h("b", {}, "·") : null, picture(rows, say("toy.factor", { number: one.layers.length - k }))]),
      h("b", {}, "="),
      picture(one.matrix, say("toy.product")),
      h("pre", { class: "matrix" }, one.matrix.map((row) => row.map((x) => short(x, 3).padStart(8)).join(" ")).join("\n")),
    );
  }

  return {
    element: h(
      "div",
      { class: "row card" },
      group,
      button(say("toy.load"), () => file.click(), { title: say("toy.load_told") }),
      button(say("toy.save"), save),
      file,
      flat,
      note,
    ),
    panel,
    offer,
    collapse,
    tool: () => tool,
    /** Another net: with or without activations, with as many classes. */
    renew(choice) {
      const straight = choice.activation === "Identity";
      flat.setAttribute("aria-pressed", String(straight));
      if (!straight) panel.hidden = true;
      if (typeof tool === "number" && tool > (data()?.classes ?? 0)) tool = "pick";
      offer();
    },
  };
}
