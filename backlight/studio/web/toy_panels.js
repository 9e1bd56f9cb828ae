// What there is to see of a toy besides its plane: gradients, updates, weights, activations, units.

import { h, put } from "/web/dom.js";
import { paint } from "/web/heat.js";
import { percent, short } from "/web/number.js";

/** The panels, each an element; `show(frame)` and `maps(frame)` bring them up to date. */
export function panels(page) {
  const { say } = page;
  const units = h("div", {});
  const unitMaps = [];
  const weights = h("div", {});
  const flow = h("div", { class: "bars" });
  const ratios = h("div", { class: "bars" });
  const spread = h("div", { class: "gallery" });

  /** Bars on a logarithmic scale; outside of the usual range they say so. */
  function bars(into, numbers, usual) {
    const names = Object.keys(numbers);
    const largest = Math.max(...names.map((name) => numbers[name]), 1e-30);
    if (!names.length) {
      put(into, h("span", { class: "quiet" }, say("chart.empty")));
      return;
    }
    put(
      into,
      names.map((name) => {
        const value = numbers[name];
        const share = value > 0 ? Math.max(0.02, 1 + Math.log10(value / largest) / 4) : 0;
        const off = usual && value > 0 ? (value < usual[0] ? "low" : value > usual[1] ? "high" : "") : "";
        return [
          h("span", {}, name),
          h("span", {}, h("i", { class: off || null, style: { width: `${100 * share}%` } })),
          h("span", {}, short(value, 2), value === 0 && !usual ? ` ${say("toy.dark")}` : off ? ` ${say(`toy.${off}`)}` : ""),
        ];
      }),
    );
  }

  function matrices(found) {
    if (weights.childElementCount !== found.length) {
      put(
        weights,
        found.map(([name]) =>
          h(
            "figure",
            { class: "picture" },
            h("canvas", { class: "pixels", role: "img", "aria-label": name }),
            h("figcaption", {}, name),
          ),
        ),
      );
      weights.className = "gallery weights";
    }
    found.forEach(([, rows], k) => paint(weights.children[k].firstChild, rows.flat(), rows.length, rows[0].length));
  }

  function histograms(found) {
    if (!Object.keys(found).length) {
      put(spread, h("p", { class: "note" }, say("chart.empty")));
      return;
    }
    put(
      spread,
      Object.entries(found).map(([path, one]) => {
        const most = Math.max(...one.counts, 1);
        const lost = one.dead ?? one.saturated ?? 0;
        const svg = bins(one.counts.map((count) => count / most));
        return h(
          "figure",
          { class: "picture" },
          svg,
          h(
            "figcaption",
            {},
            say("toy.layer", { path, mean: short(one.mean, 2), std: short(one.std, 2) }),
            lost > 0
              ? h(
                  "span",
                  { class: "gradient" },
                  say(one.dead === null ? "toy.saturated" : "toy.dead", { share: percent(lost, 0) }),
                )
              : null,
          ),
        );
      }),
    );
  }

  function bins(shares) {
    const canvas = h("canvas", { width: shares.length * 4, height: 40, "aria-hidden": "true" });
    const pen = canvas.getContext("2d");
    pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
    shares.forEach((share, k) => pen.fillRect(4 * k, 40 - 40 * share, 3, 40 * share));
    return canvas;
  }

  function maps(frame) {
    const [count, rows, columns] = frame.shape;
    if (unitMaps.length !== count) {
      unitMaps.length = 0;
      let at = 0;
      put(
        units,
        frame.layers.map(([path, size]) => [
          h("h3", {}, say("toy.units", { path })),
          h(
            "div",
            { class: "maps" },
            Array.from({ length: size }, () => {
              unitMaps[at] = h("canvas", {
                role: "img",
                "aria-label": say("toy.unit", { path, number: at }),
                title: say("toy.unit", { path, number: at }),
              });
              return unitMaps[at++];
            }),
          ),
        ]),
      );
    }
    for (let k = 0; k < count; k++)
      paint(unitMaps[k], frame.floats.subarray(k * rows * columns, (k + 1) * rows * columns), rows, columns);
  }

  return {
    units,
    weights,
    flow,
    ratios,
    spread,
    maps,
    show(frame) {
      bars(flow, frame.norms, null);
      bars(ratios, frame.ratios, [1e-4, 1e-2]);
      matrices(frame.weights);
      histograms(frame.activations);
    },
    clear() {
      put(units);
      unitMaps.length = 0;
      put(weights);
    },
  };
}
