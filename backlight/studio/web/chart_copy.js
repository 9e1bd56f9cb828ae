// What leaves a chart: its numbers as rows and as CSV, its picture as an SVG that stands alone.

/** One row for every x that any line has: x, and what each line has there. */
export function rows(series) {
  const every = [...new Set(series.flatMap((one) => one.x))].sort((a, b) => a - b);
  const at = series.map((one) => new Map(one.x.map((value, k) => [value, one.y[k]])));
  return every.map((value) => [value, ...at.map((one) => one.get(value) ?? null)]);
}

/** The rows as CSV, under the names of the lines. */
export function csv(title, series) {
  const cell = (one) => (/[",\n]/.test(one) ? `"${String(one).replaceAll('"', '""')}"` : one);
  return [[title, ...series.map((one) => one.name)], ...rows(series)]
    .map((row) => row.map((one) => (one === null ? "" : cell(one))).join(","))
    .join("\n");
}

/** An SVG with the colours that the page gives it, so that it stands alone. */
export function picture(svg) {
  const copy = svg.cloneNode(true);
  const [from, to] = [svg.querySelectorAll("*"), copy.querySelectorAll("*")];
  from.forEach((one, place) => {
    const style = getComputedStyle(one);
    for (const name of [
      "fill",
      "stroke",
      "stroke-width",
      "stroke-dasharray",
      "opacity",
      "font-size",
      "font-family",
      "font-style",
      "text-anchor",
    ]) {
      to[place].setAttribute(name, style.getPropertyValue(name));
    }
  });
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return new XMLSerializer().serializeToString(copy);
}
