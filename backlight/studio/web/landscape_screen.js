// Landscape: the loss along a line and over a plane of weights, as line, contour and surface.

import { chart } from "/web/charts.js";
import { axes, contour, levels, unit, write } from "/web/contour.js";
import { button, choice, colour, field, h, put } from "/web/dom.js";
import { surfaceOf } from "/web/landscape_surface.js";
import { Refused } from "/web/live.js";
import { short } from "/web/number.js";

export async function open(main, page) {
  const { say, ask } = page;
  const known = await ask("landscape.choices");
  let found = null;
  let under = null;
  let view = "contour";
  let cursor = null; // column and row of the point that is read

  const problem = h("div", {});
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": say("landscape.progress") });
  const stop = button(say("landscape.stop"), () => under?.cancel(), { hidden: true });
  const of = choice(
    [["toy", say("landscape.toy")], ...known.runs.map((one) => [one.run, one.run]), ["fresh", say("net.fresh")]],
    page.address().get("of") ?? "toy",
    fits,
    { "data-first": true },
  );
  const direction = choice(
    known.directions.map((one) => [one, say(`landscape.direction.${one}`)]),
    "random",
    fits,
    { "data-direction": true },
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
  const again = h("input", { type: "checkbox", "data-again": true });
  const wide = (one) => (one.classList.add("stacked"), one);
  const repeat = h("label", { class: "tick" }, again, say("landscape.again"));
  const filtersOf = h("span", {});
  const filtered = h("label", { class: "tick" }, filters, filtersOf);
  const reach = field(say("landscape.span"), h("span", {}, span, spanned));
  const go = button(say("landscape.go"), compute, { class: "main", "data-go": true });
  const canvas = h("canvas", {
    class: "plane",
    width: 920,
    height: 920,
    role: "img",
    tabindex: 0,
    "aria-label": say("landscape.contour"),
    on: { pointermove: hover, pointerdown: hover, keydown: walk },
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
        wide(field(say("landscape.of"), of)),
        wide(field(say("landscape.along"), direction)),
        repeat,
        filtered,
        reach,
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

  /** Show the controls that the chosen direction listens to. */
  function fits() {
    const [drawn, way] = [direction.value === "random", direction.value === "path"];
    repeat.hidden = !way || ["toy", "fresh"].includes(of.value);
    filtered.hidden = way;
    filtersOf.textContent = say(drawn ? "landscape.filters" : "landscape.filters_second");
    reach.hidden = way;
  }

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
        again: again.checked && !repeat.hidden,
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
          cursor = null;
          draw();
        },
        (error) => {
          page.complain(problem, error);
          if (!(error instanceof Refused)) return;
          found = null; // the last picture is of something else
          draw();
        },
      )
      .finally(() => {
        bar.hidden = stop.hidden = true;
        go.disabled = false;
      });
  }

  function draw() {
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.view === view));
    put(holder, view === "contour" ? canvas : surface);
    put(at);
    if (!found) {
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      put(surface);
      line.update([]);
      put(told, say("landscape.none"));
      return;
    }
    const from = found.direction === "between" ? [{ x: 1, text: say("landscape.start") }] : [];
    line.update([{ name: say("axis.loss"), x: found.across, y: found.line }], {
      markers: [{ x: 0, text: say("landscape.here") }, ...from],
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
      " ",
      view === "contour" ? say("landscape.greener") : "",
    );
    if (view === "contour") flat();
    else raise();
  }

  function flat() {
    const rows = [...found.losses].reverse(); // the picture's first row is its top
    const numbers = rows.flat().map((one) => (typeof one === "number" ? one : Infinity));
    const pen = canvas.getContext("2d");
    const spot = ([a, b]) => [
      ((a - found.across[0]) / (found.across.at(-1) - found.across[0])) * canvas.width,
      (1 - (b - found.up[0]) / (found.up.at(-1) - found.up[0])) * canvas.height,
    ];
    const ends = found.direction === "between" ? [[1, 0], [0, 0]] : [[0, 0]];
    const path = (found.path ?? ends).map(spot);
    const one = unit(canvas);
    contour(canvas, numbers, rows.length, rows[0].length, levels(numbers, 16), path);
    pen.strokeStyle = pen.fillStyle = colour("--c1");
    pen.lineWidth = 2 * one;
    pen.beginPath();
    path.forEach((place) => pen.lineTo(...place));
    pen.stroke();
    path.forEach(([x, y], k) => {
      pen.beginPath();
      pen.arc(x, y, (k === path.length - 1 ? 7 : 3.5) * one, 0, 7);
      pen.fill();
    });
    axes(canvas, [found.across[0], found.up[0], found.across.at(-1), found.up.at(-1)], ["α", "β"]);
    const beside = ([x, y], text) =>
      write(canvas, text, x + (x > canvas.width * 0.8 ? -12 : 12) * one, y - 10 * one, {
        ink: "--c1",
        align: x > canvas.width * 0.8 ? "right" : "left",
      });
    if (path.length > 1) beside(path[0], say("landscape.start"));
    beside(path.at(-1), say("landscape.here"));
  }

  function hover(event) {
    if (!found) return;
    const box = canvas.getBoundingClientRect();
    const share = (place, count) => Math.max(0, Math.min(count - 1, Math.round(place * (count - 1))));
    cursor = [
      share((event.clientX - box.left) / box.width, found.across.length),
      share(1 - (event.clientY - box.top) / box.height, found.up.length),
    ];
    read();
  }

  /** Arrows go from point to point; Home is where training stands. */
  function walk(event) {
    const home = found && [found.across, found.up].map((places) => places.findIndex((one) => Math.abs(one) < 1e-9));
    const [right, up] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
    if (!found || event.ctrlKey || (right === undefined && event.key !== "Home")) return;
    event.preventDefault();
    const step = (place, by, count) => Math.max(0, Math.min(count - 1, place + by));
    const [column, row] = cursor ?? home;
    cursor = event.key === "Home" ? home : [step(column, right, found.across.length), step(row, up, found.up.length)];
    read();
    page.speak(at.textContent);
  }

  function read() {
    const [column, row] = cursor;
    const [a, b, loss] = [found.across[column], found.up[row], found.losses[row][column]];
    put(at, say("landscape.at", { a: short(a, 3), b: short(b, 3), loss: short(loss) }));
    flat();
    const x = (column / (found.across.length - 1)) * canvas.width;
    const y = (1 - row / (found.up.length - 1)) * canvas.height;
    const pen = canvas.getContext("2d");
    pen.strokeStyle = colour("--text");
    pen.lineWidth = 1.5 * unit(canvas);
    pen.beginPath();
    pen.arc(x, y, 5 * unit(canvas), 0, 7);
    pen.stroke();
  }

  async function raise() {
    if (!(await surfaceOf(surface, found, say("axis.loss")))) {
      put(surface, h("p", { class: "problem" }, say("landscape.no_plotly")));
    }
  }

  fits();
  draw();
  if (of.value === "toy") compute(); // it takes a moment only, and says what this screen is for
  return {
    close() {
      under?.cancel?.();
      line.close();
    },
    repaint: draw,
    keys: [["← → ↑ ↓", "keys.slice"]],
  };
}
