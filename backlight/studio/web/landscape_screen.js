// Landscape: the loss along a line and over a plane of weights, as line, contour and surface.

import { chart } from "/web/charts.js";
import { contour, levels } from "/web/contour.js";
import { button, choice, colour, field, h, put } from "/web/dom.js";
import { short } from "/web/number.js";

export async function open(main, page) {
  const { say, ask } = page;
  const known = await ask("landscape.choices");
  let found = null;
  let under = null;
  let view = "contour";

  const problem = h("div", {});
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": say("landscape.progress") });
  const stop = button(say("landscape.stop"), () => under?.cancel(), { hidden: true });
  const of = choice(
    [["toy", say("landscape.toy")], ...known.runs.map((one) => [one.run, one.run]), ["fresh", say("net.fresh")]],
    "toy",
    () => {},
    { "data-first": true },
  );
  const direction = choice(
    known.directions.map((one) => [one, say(`landscape.direction.${one}`)]),
    "random",
    () => {},
  );
  const filters = h("input", { type: "checkbox", checked: true });
  const span = h("input", {
    type: "range",
    min: -1.5,
    max: 0.7,
    step: 0.05,
    value: 0,
    "aria-label": say("landscape.span"),
    on: {
      input: () => {
        spanned.textContent = short(10 ** Number(span.value), 2);
      },
    },
  });
  const spanned = h("small", {}, "1");
  const points = h("input", { type: "number", min: 5, max: 61, value: 31 });
  const seed = h("input", { type: "number", min: 0, value: 0 });
  const go = button(say("landscape.go"), compute, { class: "main", "data-go": true });
  const canvas = h("canvas", {
    class: "plane",
    width: 520,
    height: 520,
    role: "img",
    tabindex: 0,
    "aria-label": say("landscape.contour"),
    on: { pointermove: hover },
  });
  const surface = h("div", { class: "surface", role: "img", "aria-label": say("landscape.surface") });
  const told = h("p", { class: "note" }, say("landscape.none"));
  const at = h("p", { class: "note", "data-at": true });
  const line = chart({
    title: say("landscape.line"),
    x: say("landscape.alpha"),
    y: say("axis.loss"),
    name: "landscape-line",
    height: 240,
  });
  const holder = h("div", {});
  const tabs = h(
    "div",
    { class: "joined", role: "group", "aria-label": say("landscape.view") },
    ["contour", "surface"].map((one) =>
      button(
        say(`landscape.${one}`),
        () => {
          view = one;
          draw();
        },
        { "data-view": one },
      ),
    ),
  );

  put(
    main,
    h(
      "div",
      { class: "columns three" },
      h(
        "section",
        { class: "card" },
        h("h2", {}, say("landscape.what")),
        field(say("landscape.of"), of),
        field(say("landscape.along"), direction),
        field(say("landscape.filters"), filters),
        field(say("landscape.span"), h("span", {}, span, spanned)),
        field(say("landscape.points"), points),
        field(say("toy.setting.seed"), seed),
        h("div", { class: "row" }, go, stop),
        bar,
        h("p", { class: "note" }, say("landscape.axes")),
      ),
      h("div", { class: "columns" }, problem, tabs, holder, at, told),
      line.element,
    ),
  );

  function compute() {
    put(problem);
    bar.hidden = stop.hidden = false;
    bar.value = 0;
    go.disabled = true;
    under = ask(
      "landscape.compute",
      {
        of: of.value,
        direction: direction.value,
        normalise: filters.checked ? "filters" : "weights",
        span: 10 ** Number(span.value),
        points: Number(points.value),
        seed: Number(seed.value),
      },
      {
        progress: (share) => {
          bar.value = share;
        },
      },
    );
    under
      .then(
        (answer) => {
          found = answer;
          draw();
        },
        (error) => page.complain(problem, error),
      )
      .finally(() => {
        bar.hidden = stop.hidden = true;
        go.disabled = false;
      });
  }

  function draw() {
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.view === view));
    put(holder, view === "contour" ? canvas : surface);
    if (!found) return;
    line.update([{ name: say("axis.loss"), x: found.across, y: found.line }], {
      markers: [{ x: 0, text: say("landscape.here") }],
    });
    const finite = found.losses.flat().filter((one) => typeof one === "number");
    put(
      told,
      say("landscape.told", {
        here: short(found.here),
        low: short(Math.min(...finite)),
        high: short(Math.max(...finite)),
        count: found.examples,
      }),
    );
    if (view === "contour") flat();
    else raise();
  }

  function flat() {
    const rows = [...found.losses].reverse(); // the picture's first row is its top
    const numbers = rows.flat().map((one) => (typeof one === "number" ? one : Infinity));
    contour(canvas, numbers, rows.length, rows[0].length, levels(numbers, 16));
    const pen = canvas.getContext("2d");
    const spot = ([a, b]) => [
      ((a - found.across[0]) / (found.across.at(-1) - found.across[0])) * canvas.width,
      (1 - (b - found.up[0]) / (found.up.at(-1) - found.up[0])) * canvas.height,
    ];
    const path = (found.path ?? [[0, 0]]).map(spot);
    pen.strokeStyle = pen.fillStyle = colour("--c1");
    pen.lineWidth = 2;
    pen.beginPath();
    path.forEach((place) => pen.lineTo(...place));
    pen.stroke();
    path.forEach(([x, y], k) => {
      pen.beginPath();
      pen.arc(x, y, k === path.length - 1 ? 7 : 3, 0, 7);
      pen.fill();
    });
  }

  function hover(event) {
    if (!found) return;
    const box = canvas.getBoundingClientRect();
    const column = Math.min(
      found.across.length - 1,
      Math.floor(((event.clientX - box.left) / box.width) * found.across.length),
    );
    const row =
      found.up.length -
      1 -
      Math.min(found.up.length - 1, Math.floor(((event.clientY - box.top) / box.height) * found.up.length));
    put(
      at,
      say("landscape.at", {
        a: short(found.across[column], 3),
        b: short(found.up[Math.max(0, row)], 3),
        loss: short(found.losses[Math.max(0, row)][column]),
      }),
    );
  }

  async function raise() {
    const plotly = await library();
    if (!plotly) {
      put(surface, h("p", { class: "problem" }, say("landscape.no_plotly")));
      return;
    }
    const ink = colour("--text");
    const axis = (title) => ({ title: { text: title }, color: ink, gridcolor: colour("--grid") });
    // The highest walls would flatten everything else.
    const sorted = found.losses
      .flat()
      .filter((one) => typeof one === "number")
      .sort((a, b) => a - b);
    const top = sorted[Math.floor(0.97 * (sorted.length - 1))];
    const z = found.losses.map((row) => row.map((one) => (typeof one === "number" ? Math.min(one, top) : top)));
    await plotly.newPlot(
      surface,
      [
        {
          type: "surface",
          x: found.across,
          y: found.up,
          z,
          colorscale: "Viridis",
          showscale: false,
          contours: { z: { show: true, usecolormap: true } },
        },
      ],
      {
        margin: { l: 0, r: 0, t: 0, b: 0 },
        height: 480,
        paper_bgcolor: "rgba(0,0,0,0)",
        font: { color: ink },
        scene: {
          camera: { eye: { x: 1.7, y: 1.7, z: 1.1 } },
          xaxis: axis("α"),
          yaxis: axis("β"),
          zaxis: axis(say("axis.loss")),
        },
      },
      { displaylogo: false, responsive: true },
    );
    surface.dataset.drawn = "true";
  }

  draw();
  return {
    close() {
      under?.cancel?.();
      line.close();
    },
    repaint: draw,
  };
}

let loading = null;

/** The plotting library, from its installed Python package; only this screen asks for it. */
function library() {
  loading ??= new Promise((resolve) => {
    const script = h("script", {
      src: "/plotly.js",
      on: { load: () => resolve(window.Plotly), error: () => resolve(null) },
    });
    document.head.append(script);
  });
  return loading;
}
