// What the page can do beyond being read: one crosshair through all charts, log switches, a theme,
// tables as CSV. Data only ever become text (textContent), never markup.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const LEFT = 62, RIGHT = 506, WIDTH = 520;
  const hidden = (node, yes) => node.setAttribute("visibility", yes ? "hidden" : "visible");

  const written = (value, percent) => {
    if (value === null || value === undefined) return "–";
    const minus = (text) => text.replace("-", "−");
    if (percent) return minus((value * 100).toFixed(1)) + "%";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
      const [mantissa, exponent] = value.toExponential(2).split("e");
      const raised = [...String(Number(exponent))].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
      return minus(mantissa) + "×10" + raised.join("");
    }
    return minus(String(Number(value.toPrecision(4))));
  };

  // ── crosshair ──
  const charts = [...document.querySelectorAll("figure[data-points]")].map((figure) => ({
    figure,
    points: JSON.parse(figure.dataset.points),
    unit: figure.dataset.unit,
    percent: "percent" in figure.dataset,
    plots: [...figure.querySelectorAll("svg.plot")],
    values: [...figure.querySelectorAll(".legend .value")],
    at: figure.querySelector(".at"),
  }));

  const nearest = (times, x) => {
    let low = 0, high = times.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (times[middle] <= x) low = middle; else high = middle;
    }
    return x - times[low] <= times[high] - x ? low : high;
  };

  const show = (x, unit) => {
    for (const chart of charts) {
      const inside = x !== null && chart.unit === unit;
      for (const plot of chart.plots) {
        const low = Number(plot.dataset.low), high = Number(plot.dataset.high);
        const cross = plot.querySelector(".cross");
        const place = LEFT + (x - low) / (high - low) * (RIGHT - LEFT);
        const seen = inside && place >= LEFT - 0.5 && place <= RIGHT + 0.5;
        hidden(cross, !seen);
        if (seen) { cross.setAttribute("x1", place); cross.setAttribute("x2", place); }
      }
      chart.at.textContent = inside ? `at ${unit} ${written(Number(x.toFixed(2)), false)}` : "";
      chart.points.lines.forEach((line, k) => {
        const node = chart.values[k], times = chart.points.times[line.x];
        node.textContent = inside && times.length
          ? written(line.y[nearest(times, x)], chart.percent) : node.dataset.last;
      });
    }
  };

  for (const chart of charts) {
    for (const plot of chart.plots) {
      const low = Number(plot.dataset.low), high = Number(plot.dataset.high);
      let at = high;
      const move = (x) => { at = Math.min(high, Math.max(low, x)); show(at, chart.unit); };
      plot.addEventListener("pointermove", (event) => {
        const box = plot.getBoundingClientRect();
        const place = (event.clientX - box.left) / box.width * WIDTH;
        move(low + (place - LEFT) / (RIGHT - LEFT) * (high - low));
      });
      plot.addEventListener("pointerleave", () => show(null, ""));
      plot.addEventListener("blur", () => show(null, ""));
      plot.addEventListener("keydown", (event) => {
        const step = (high - low) / (event.shiftKey ? 10 : 100);
        const moves = { ArrowLeft: at - step, ArrowRight: at + step, Home: low, End: high };
        if (!(event.key in moves)) return;
        event.preventDefault();
        move(moves[event.key]);
      });
    }
    const entries = [...chart.figure.querySelectorAll(".legend li")];
    entries.forEach((entry, k) => {
      const pick = (yes) => {
        chart.figure.classList.toggle("faded", yes && entries.length > 1);
        for (const plot of chart.plots) {
          plot.querySelectorAll(".series")[k].classList.toggle("picked", yes);
        }
      };
      entry.addEventListener("pointerenter", () => pick(true));
      entry.addEventListener("pointerleave", () => pick(false));
    });
  }

  // ── log switches ──
  for (const button of document.querySelectorAll("[data-switch]")) {
    button.addEventListener("click", () => {
      const log = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(log));
      for (const plot of button.closest("figure").querySelectorAll("svg.plot")) {
        plot.toggleAttribute("hidden", (plot.dataset.kind === "log") !== log);
      }
    });
  }

  // ── confusion matrix ──
  for (const plot of document.querySelectorAll("svg.matrix")) {
    const names = JSON.parse(plot.dataset.classes), counts = JSON.parse(plot.dataset.counts);
    const left = Number(plot.dataset.left), top = Number(plot.dataset.top);
    const side = Number(plot.dataset.side), cell = side / names.length;
    const pick = plot.querySelector(".pick");
    const at = plot.closest("figure").querySelector(".at");
    let row = 0, column = 0;
    const choose = () => {
      let total = 0, count = 0;
      for (let k = 0; k < counts[row].length; k += 2) {
        total += counts[row][k + 1];
        if (counts[row][k] === column) count = counts[row][k + 1];
      }
      pick.setAttribute("x", left + column * cell);
      pick.setAttribute("y", top + row * cell);
      hidden(pick, false);
      at.textContent = `true ${names[row]}, predicted ${names[column]}: ${count} of ${total}`;
    };
    const leave = () => { hidden(pick, true); at.textContent = ""; };
    plot.addEventListener("pointermove", (event) => {
      const scale = plot.viewBox.baseVal.width / plot.getBoundingClientRect().width;
      const box = plot.getBoundingClientRect();
      column = Math.floor(((event.clientX - box.left) * scale - left) / cell);
      row = Math.floor(((event.clientY - box.top) * scale - top) / cell);
      const inside = (k) => k >= 0 && k < names.length;
      if (inside(row) && inside(column)) choose(); else { leave(); row = column = 0; }
    });
    plot.addEventListener("pointerleave", leave);
    plot.addEventListener("blur", leave);
    plot.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
      if (!(event.key in moves)) return;
      event.preventDefault();
      const within = (k) => Math.min(names.length - 1, Math.max(0, k));
      row = within(row + moves[event.key][0]);
      column = within(column + moves[event.key][1]);
      choose();
    });
  }

  // ── theme ──
  const remember = (theme) => { try { localStorage.setItem("backlight-theme", theme); } catch { /* private */ } };
  try {
    const theme = localStorage.getItem("backlight-theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch { /* a page from disk may have no storage */ }
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    remember(root.dataset.theme);
  });

  // ── tables ──
  const plain = (text) => text.replaceAll(",", "").replace("−", "-")
    .replace(/×10(.+)/, (_, raised) => "e" + [...raised].map((c) => "-0123456789"["⁻⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(c)]).join(""));
  const field = (text) => {
    if (/^−?[\d.,]+(×10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?$/.test(text)) return plain(text);
    // A spreadsheet would run a name that begins like a formula.
    const safe = /^[=+\-@]/.test(text) ? "'" + text : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const rows = [...button.closest("details").querySelectorAll("tr")];
      const text = rows.map((row) => [...row.cells].map((cell) => field(cell.textContent)).join(","))
        .join("\n") + "\n";
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        button.textContent = "The browser did not allow it";
      }
      setTimeout(() => { button.textContent = "Copy as CSV"; }, 1600);
    });
  }
})();
