// Line charts: log axes, a band of extremes under smoothing, a crosshair by mouse and keys, a table,
// and copies as CSV and SVG. One chart is one figure; new numbers are handed to `update`.

import { button, download, h, put, s, table } from "/web/dom.js";
import { short } from "/web/number.js";
import { csv, picture, rows } from "/web/chart_copy.js";
import { scale } from "/web/scale.js";
import { say } from "/web/words.js";

const DASHES = ["", "7 4", "2 3", "9 3 2 3", "12 4", "4 2", "1 4", "6 2 1 2"];
const [LEFT, RIGHT, TOP, BOTTOM] = [54, 14, 10, 36];

/**
 * A chart. `options`: title, x, y (titles of the axes), log {x, y}, zero, height, smooth (whether
 * smoothing is offered), bare (no tools), name (of saved files), markers (of {x, text}). `series`: {name, x, y, low, high, colour}.
 */
export function chart(options, series = []) {
  const state = { log: { x: false, y: false, ...options.log }, smooth: 0, at: null, series };
  const svg = s("svg", { role: "img", tabindex: 0, viewBox: "0 0 640 240" });
  const legend = h("ul", { class: "legend" });
  const rest = h("details", {}, h("summary", {}, say("chart.table")));
  const toggles = ["x", "y"].map((axis) =>
    button(
      `log ${axis}`,
      () => {
        state.log[axis] = !state.log[axis];
        draw();
      },
      { title: say("chart.log", { axis }), "aria-label": `log ${axis}: ${options.title}` },
    ),
  );
  const smoothing = h("input", {
    type: "range",
    min: 0,
    max: 0.95,
    step: 0.05,
    value: 0,
    "aria-label": say("chart.smooth"),
    title: say("chart.smooth"),
    style: { width: "5.5rem" },
    on: {
      input: () => {
        state.smooth = Number(smoothing.value);
        draw();
      },
    },
  });
  const tools = h(
    "div",
    { class: "row" },
    options.smooth ? smoothing : null,
    toggles,
    button("csv", () => download(`${options.name ?? "chart"}.csv`, csv(options.x, state.series), "text/csv"), {
      title: say("chart.csv"),
      "aria-label": `csv: ${options.title}`,
    }),
    button("svg", () => download(`${options.name ?? "chart"}.svg`, picture(svg), "image/svg+xml"), {
      title: say("chart.svg"),
      "aria-label": `svg: ${options.title}`,
    }),
  );
  const title = h("span", {});
  const head = h("figcaption", {}, title, options.bare ? null : tools);
  const figure = h("figure", { class: "chart" }, head, legend, svg, rest);
  let scales = null;
  let width = 640;
  const height = options.height ?? 230;

  function shownOf(one) {
    if (!state.smooth) return { ...one, band: one.low ? [one.low, one.high] : null };
    let mean = null;
    const y = one.y.map((value) =>
      typeof value === "number"
        ? (mean = mean === null ? value : state.smooth * mean + (1 - state.smooth) * value)
        : null,
    );
    const reach = Math.ceil(1 / (1 - state.smooth));
    const around = (values, pick) =>
      values.map((_, place) =>
        pick(
          ...values.slice(Math.max(0, place - reach), place + reach + 1).filter((value) => typeof value === "number"),
        ),
      );
    return { ...one, y, band: [around(one.low ?? one.y, Math.min), around(one.high ?? one.y, Math.max)] };
  }

  function draw() {
    title.textContent = options.title;
    width = Math.max(280, Math.round(svg.clientWidth || 640));
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    toggles.forEach((one, place) => one.setAttribute("aria-pressed", String(state.log["xy"[place]])));
    const lines = state.series.map(shownOf);
    const x = scale(
      lines.flatMap((one) => one.x),
      LEFT,
      width - RIGHT,
      state.log.x,
    );
    const y = scale(
      lines.flatMap((one) => [...one.y, ...(one.band ? one.band.flat() : [])]),
      height - BOTTOM,
      TOP,
      state.log.y,
      options.zero,
    );
    scales = x && y ? { x, y } : null;
    svg.setAttribute("aria-label", `${options.title}. ${summary()}`);
    if (!scales) {
      put(svg, s("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, say("chart.empty")));
      put(legend);
      return;
    }
    put(
      svg,
      axes(x, y),
      lines.map((one, place) => drawn(one, place, x, y)),
      (options.markers ?? []).map((one) => marked(one, x)),
      cross(),
    );
    describe();
    if (rest.open) fillTable();
  }

  function axes(x, y) {
    const bottom = height - BOTTOM;
    return [
      y.ticks.map((one) => [
        s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: one.at, y2: one.at }),
        s("text", { x: LEFT - 6, y: one.at + 4, "text-anchor": "end" }, one.text),
      ]),
      x.ticks.map((one) => [
        s("line", { class: "grid", x1: one.at, x2: one.at, y1: TOP, y2: bottom }),
        s("text", { x: one.at, y: bottom + 15, "text-anchor": "middle" }, one.text),
      ]),
      s("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: bottom, y2: bottom }),
      s("text", { x: width - RIGHT, y: height - 4, "text-anchor": "end" }, options.x),
      s("text", { x: 4, y: height - 4 }, options.y),
    ];
  }

  function drawn(one, place, x, y) {
    const kind = `c${(one.colour ?? place) % 8}`;
    const path = (values) => {
      let text = "";
      let pen = "M";
      values.forEach((value, k) => {
        if (typeof value !== "number" || !y.holds(value) || !x.holds(one.x[k])) pen = "M";
        else {
          text += `${pen}${x.at(one.x[k]).toFixed(1)} ${y.at(value).toFixed(1)}`;
          pen = "L";
        }
      });
      return text;
    };
    const known = one.y.map((value, k) => [one.x[k], value]).filter(([at, value]) => typeof value === "number" && y.holds(value) && x.holds(at));
    const lone = known.length === 1 ? s("circle", { cx: x.at(known[0][0]), cy: y.at(known[0][1]), r: 3, fill: "currentColor" }) : null;
    const band = one.band ? path(one.band[1]) + reversed(one, x, y) : "";
    return s(
      "g",
      { class: kind },
      band ? s("path", { class: "band", d: band }) : null,
      lone,
      s("path", { class: "line", d: path(one.y), "stroke-dasharray": DASHES[(one.colour ?? place) % 8] || null }),
    );
  }

  function reversed(one, x, y) {
    let text = "";
    for (let k = one.x.length - 1; k >= 0; k--) {
      const value = one.band[0][k];
      if (typeof value === "number" && y.holds(value) && x.holds(one.x[k]))
        text += `L${x.at(one.x[k]).toFixed(1)} ${y.at(value).toFixed(1)}`;
    }
    return text ? `${text}Z` : "";
  }

  function marked(one, x) {
    const at = x.at(one.x);
    const left = at > width * 0.7;
    return [
      s("line", { class: "cross", x1: at, x2: at, y1: TOP, y2: height - BOTTOM }),
      s("text", { x: at + (left ? -4 : 4), y: TOP + 10, "text-anchor": left ? "end" : "start" }, one.text),
    ];
  }

  function cross() {
    if (state.at === null) return null;
    const at = scales.x.at(state.at);
    return s("line", { class: "cross", x1: at, x2: at, y1: TOP, y2: height - BOTTOM });
  }

  function nearest(one) {
    let best = one.x.length - 1;
    if (state.at === null) return best;
    one.x.forEach((value, k) => {
      if (Math.abs(value - state.at) < Math.abs(one.x[best] - state.at)) best = k;
    });
    return best;
  }

  function describe() {
    put(
      legend,
      state.at === null ? null : h("li", { class: "quiet" }, `${options.x} ${short(state.at)}`),
      state.series.map((one, place) =>
        h(
          "li",
          { class: `c${(one.colour ?? place) % 8}` },
          s(
            "svg",
            { viewBox: "0 0 26 8", "aria-hidden": "true" },
            s("line", {
              class: "line",
              x1: 0,
              x2: 26,
              y1: 4,
              y2: 4,
              "stroke-dasharray": DASHES[(one.colour ?? place) % 8] || null,
            }),
          ),
          h("span", {}, `${one.name} ${short(one.y[nearest(one)])}`),
        ),
      ),
    );
  }

  function summary() {
    return state.series
      .filter((one) => one.y.some((value) => typeof value === "number"))
      .slice(0, 4)
      .map((one) => {
        const known = one.y.filter((value) => typeof value === "number");
        return say("chart.said", { name: one.name, first: short(known[0]), last: short(known[known.length - 1]) });
      })
      .join(" ");
  }

  function fillTable() {
    put(
      rest,
      rest.firstChild,
      table(
        [options.x, ...state.series.map((one) => one.name)],
        rows(state.series)
          .slice(-400)
          .map((row) => row.map((one) => short(one, 6))),
        { caption: options.title },
      ),
    );
  }

  svg.addEventListener("pointermove", (event) => {
    if (!scales) return;
    const box = svg.getBoundingClientRect();
    state.at = scales.x.back(((event.clientX - box.left) / box.width) * width);
    draw();
  });
  svg.addEventListener("pointerleave", () => {
    state.at = null;
    if (scales) draw();
  });
  svg.addEventListener("keydown", (event) => {
    const every = rows(state.series).map((row) => row[0]);
    if (!every.length || !["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    const place =
      state.at === null
        ? every.length - 1
        : every.reduce(
            (best, value, k) => (Math.abs(value - state.at) < Math.abs(every[best] - state.at) ? k : best),
            0,
          );
    state.at =
      every[
        event.key === "Home"
          ? 0
          : event.key === "End"
            ? every.length - 1
            : Math.min(every.length - 1, Math.max(0, place + (event.key === "ArrowLeft" ? -1 : 1)))
      ];
    draw();
    event.preventDefault();
    event.stopPropagation();
  });
  rest.addEventListener("toggle", () => rest.open && fillTable());
  const watcher = new ResizeObserver(() => {
    if (Math.abs(svg.clientWidth - width) > 2) draw();
  });
  watcher.observe(svg);
  draw();
  return {
    element: figure,
    update(made, changed = {}) {
      state.series = made;
      Object.assign(options, changed);
      draw();
    },
    close: () => watcher.disconnect(),
  };
}
