// The loss as a surface: the one picture that a library draws, for turning it around is its business.

import { colour, h } from "/web/dom.js";

let loading = null;

/** Draw a landscape into an element; answers whether the library is there. */
export async function surfaceOf(element, found, loss) {
  const plotly = await library();
  if (!plotly) return false;
  const ink = colour("--text");
  const axis = (title) => ({ title: { text: title }, color: ink, gridcolor: colour("--grid") });
  // The highest walls would flatten everything else.
  const known = found.losses.flat().filter((one) => typeof one === "number");
  const sorted = known.sort((a, b) => a - b);
  const top = sorted[Math.floor(0.97 * (sorted.length - 1))];
  const height = (one) => (typeof one === "number" ? Math.min(one, top) : top);
  const shown = {
    type: "surface",
    x: found.across,
    y: found.up,
    z: found.losses.map((row) => row.map(height)),
    colorscale: "Viridis",
    showscale: false,
    contours: { z: { show: true, usecolormap: true } },
    hovertemplate: `α %{x:.3g}<br>β %{y:.3g}<br>${loss} %{z:.4g}<extra></extra>`,
  };
  const way = (found.path ?? [[0, 0]]).map(([a, b]) => [a, b, height(near(found, a, b))]);
  const trodden = {
    type: "scatter3d",
    mode: "lines+markers",
    x: way.map((one) => one[0]),
    y: way.map((one) => one[1]),
    z: way.map((one) => one[2]),
    line: { color: colour("--c1"), width: 5 },
    marker: { color: colour("--c1"), size: way.map((_, k) => (k === way.length - 1 ? 6 : 3)) },
    hoverinfo: "skip",
  };
  const layout = {
    margin: { l: 0, r: 0, t: 0, b: 0 },
    height: 480,
    showlegend: false,
    paper_bgcolor: "rgba(0,0,0,0)",
    font: { color: ink },
    scene: {
      camera: { eye: { x: 1.65, y: 1.65, z: 1.05 }, center: { x: 0, y: 0, z: -0.15 } },
      xaxis: axis("α"),
      yaxis: axis("β"),
      zaxis: axis(loss),
    },
  };
  await plotly.newPlot(element, [shown, trodden], layout, { displaylogo: false, responsive: true });
  element.dataset.drawn = "true";
  return true;
}

/** The loss at the grid's point nearest to a place. */
function near(found, a, b) {
  const place = (values, value) => {
    const share = (value - values[0]) / (values.at(-1) - values[0]);
    return Math.max(0, Math.min(values.length - 1, Math.round(share * (values.length - 1))));
  };
  return found.losses[place(found.up, b)][place(found.across, a)];
}

/** The library, from its installed Python package; only this screen asks for it. */
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
