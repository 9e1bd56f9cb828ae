// The inputs of a circuit: a slider and a number for each, an array as its rows. Ends edit in place.

import { button, h, put } from "/web/dom.js";
import { fixed, short } from "/web/number.js";

/** `moved(name)` is told of every move, `settled()` when a slider is let go. */
export function knobs(page, moved, settled) {
  const { say } = page;
  const element = h("div", {});
  let rows = new Map();
  let values = {};
  let chosen = "";

  function make(inputs) {
    values = inputs;
    const names = Object.keys(inputs);
    if (
      names.join() === [...rows.keys()].join() &&
      names.every((name) => Array.isArray(inputs[name]) === rows.get(name).array)
    ) {
      names.forEach((name) => rows.get(name).write());
      return;
    }
    rows = new Map(names.map((name) => [name, Array.isArray(inputs[name]) ? matrix(name) : knob(name)]));
    put(
      element,
      [...rows.values()].map((row) => row.element),
    );
    if (!rows.has(chosen)) chosen = names[0] ?? "";
  }

  function knob(name) {
    const range = reach(values[name]);
    const slider = h("input", {
      type: "range",
      min: range[0],
      max: range[1],
      step: "any",
      value: values[name],
      "aria-label": say("circuit.slider", { name }),
      on: {
        input: () => change(Number(slider.value)),
        change: settled,
        focus: () => {
          chosen = name;
        },
        keydown: nudge,
      },
    });
    const number = h("input", {
      type: "number",
      step: "any",
      value: values[name],
      "aria-label": say("circuit.value_of", { name }),
      on: {
        change: () => {
          if (number.value === "" || !Number.isFinite(Number(number.value))) return;
          change(Number(number.value));
          settled();
        },
        focus: () => {
          chosen = name;
        },
      },
    });
    const gradient = h("span", { class: "gradient" });

    function nudge(event) {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      change(Number((values[name] + step * (event.shiftKey ? 0.1 : 0.01)).toFixed(6)));
    }

    function change(value) {
      values[name] = value;
      write(value === Number(slider.value));
      moved(name);
    }

    function write(kept = false) {
      const value = values[name];
      if (value < Number(slider.min) || value > Number(slider.max)) [slider.min, slider.max] = reach(value);
      if (!kept) slider.value = value;
      slider.setAttribute("aria-valuetext", short(value));
      if (document.activeElement !== number || !kept) number.value = Number(fixed(value, 4).replace("−", "-"));
    }

    write();
    return {
      array: false,
      write,
      nudge: (by) => change(Number((values[name] + by).toFixed(6))),
      gradient,
      element: h("div", { class: "knob" }, h("b", { title: name }, name), slider, number, gradient),
    };
  }

  function matrix(name) {
    const text = h("input", {
      type: "text",
      class: "matrix",
      value: JSON.stringify(values[name]),
      "aria-label": say("circuit.value_of", { name }),
      on: {
        change: () => {
          try {
            values[name] = JSON.parse(text.value);
          } catch {
            return;
          }
          moved(name);
          settled();
        },
      },
    });
    const gradient = h("span", { class: "gradient" });
    return {
      array: true,
      gradient,
      nudge: () => {},
      write: () => {
        text.value = JSON.stringify(values[name]);
      },
      element: h("div", { class: "knob" }, h("b", {}, name), h("span", {}), h("span", {}), text, gradient),
    };
  }

  return {
    element,
    make,
    gradients(found) {
      for (const [name, row] of rows) row.gradient.textContent = `∇ ${found[name] ?? "–"}`;
    },
    nudge: (by) => rows.get(chosen)?.nudge(by),
    names: () => [...rows.keys()],
    /** Buttons that make a slider of each name without a value. */
    offer: (missing, add) =>
      h(
        "p",
        { class: "row" },
        missing.map((name) => button(say("circuit.add", { name }), () => add([name]))),
        missing.length > 1 ? button(say("circuit.add_all"), () => add(missing), { class: "main" }) : null,
      ),
  };
}

/** Where a slider of this value begins and ends. */
function reach(value) {
  const most = Math.max(5, 10 ** Math.ceil(Math.log10(Math.abs(value) + 1e-9)));
  return [-most, most];
}
