// The inputs of a circuit: a slider and a number for each, an array as its entries.

import { button, h, put } from "/web/dom.js";
import { isSmall, matrixKnob } from "/web/matrix_knob.js";
import { fixed, short } from "/web/number.js";

/**
 * `moved(name)` is told of every move, `settled()` when a slider is let go, `reshaped()` when an array
 * was typed anew.
 */
export function knobs(page, moved, settled, reshaped) {
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
      names.every((name) => rows.get(name).fits(inputs[name]))
    ) {
      names.forEach((name) => rows.get(name).write());
      return;
    }
    rows = new Map(names.map((name) => [name, Array.isArray(inputs[name]) ? matrix(name) : knob(name)]));
    put(
      element,
      [...rows.values()].map((row) => row.element),
      [...rows.values()].some((row) => row.slopes) && h("p", { class: "note" }, say("circuit.strips")),
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
      fits: (found) => !Array.isArray(found),
      write,
      change,
      nudge: (by) => change(Number((values[name] + by).toFixed(6))),
      gradient,
      element: h("div", { class: "knob" }, h("b", { title: name }, name), slider, number, gradient),
    };
  }

  /** An array: a field an entry where it is small, and its rows as text, which may have another shape. */
  function matrix(name) {
    const text = h("input", {
      type: "text",
      class: "matrix",
      value: JSON.stringify(values[name]),
      "aria-label": say("circuit.value_of", { name }),
      on: { change: reread },
    });
    const gradient = h("span", { class: "gradient" });
    let entry = () => [0, 0];
    const small = isSmall(values[name])
      ? matrixKnob(say, name, () => values[name], {
          moved: () => {
            text.value = JSON.stringify(values[name]);
            moved(name);
          },
          settled,
          focused: (which) => {
            [chosen, entry] = [name, which];
          },
        })
      : null;
    const form = JSON.stringify(values[name]).replace(/[^[\],]/g, "");

    function reread() {
      try {
        values[name] = JSON.parse(text.value);
      } catch {
        return;
      }
      reshaped();
    }

    return {
      fits: (found) => Array.isArray(found) && JSON.stringify(found).replace(/[^[\],]/g, "") === form,
      gradient,
      slopes: small?.slopes,
      nudge: (by) => small?.nudge(entry(), by),
      write: () => {
        text.value = JSON.stringify(values[name]);
        small?.write();
      },
      element: h(
        "div",
        { class: "knob" },
        h("b", { title: name }, name),
        text,
        small ? small.element : gradient,
      ),
    };
  }

  return {
    element,
    make,
    gradients(found, slopes) {
      for (const [name, row] of rows) {
        row.gradient.textContent = `∇ ${found[name] ?? "–"}`;
        row.slopes?.(slopes[name] ?? null);
      }
    },
    nudge: (by) => rows.get(chosen)?.nudge(by),
    /** One number moved otherwise, such as by its box in the drawing. */
    set(name, value) {
      chosen = name;
      rows.get(name)?.change?.(value);
    },
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
