/* Jacobians that answer: a cell, once picked, says its number and lights what its row depends on.

   mountJacobians(element, {words, maps}) appends a section with a matrix for each map. Arrays stand
   beside it in their own shape, so that the row of a convolution is seen as the patch that it is.
   Nothing is computed here: numbers and shades come as data. Arrow keys walk from cell to cell. */

export function mountJacobians(element, data) {
  const w = data.words;
  const section = make("section", "blc-jacobians");
  section.append(make("h2", "", w.title));
  for (const map of data.maps) section.append(shown(map));
  element.append(section);

  function shown(map) {
    const part = make("div", "blc-jacobian");
    for (const fact of map.facts) part.append(make("p", "", fact));
    if (!map.cells) return part;
    const said = make("p", "blc-said", w.pick);
    said.setAttribute("aria-live", "polite");
    const matrix = grid(map.cells.length, map.cells[0].length, w.title, (row, column) => pick(row, column));
    const output = array(map.output, w.output, (at) => pick(at, -1));
    const input = array(map.input, w.input, () => {});
    matrix.cells.forEach((one, at) => {
      const [row, column] = matrix.place(at);
      shade(one, map.shades[row][column]);
      if (map.cells[0].length <= 10) one.textContent = map.cells[row][column];
      one.title = map.cells[row][column];
    });
    const pictures = make("div", "blc-arrays");
    pictures.append(output.figure, input.figure);
    const scrolled = make("div", "blc-scrolled");
    scrolled.append(matrix.table);
    part.append(scrolled, said, pictures);
    return part;

    function pick(row, column) {
      const shades = map.shades[row];
      matrix.cells.forEach((one, at) => {
        const [r, c] = matrix.place(at);
        one.classList.toggle("in", r === row || c === column);
        one.classList.toggle("now", r === row && c === column);
      });
      output.cells.forEach((one, at) => one.classList.toggle("now", at === row));
      input.cells.forEach((one, at) => {
        shade(one, shades[at]);
        one.title = map.cells[row][at];
        one.classList.toggle("now", at === column);
        one.classList.toggle("lit", shades[at] !== 0);
      });
      const lit = shades.filter((x) => x !== 0).length;
      const known = { output: map.output.name, input: map.input.name, row: row + 1, column: column + 1,
        value: column < 0 ? "" : map.cells[row][column], count: lit, size: shades.length };
      const text = column < 0 ? w.none : w.cell;
      said.textContent = text.replace(/\{(\w+)\}/g, (_, name) => known[name]);
    }
  }

  /** An array in its own shape, with its name. */
  function array(what, label, act) {
    const made = grid(what.rows, what.columns, `${label} ${what.name}`, (row, column) => act(row * what.columns + column));
    const figure = make("figure");
    figure.append(make("figcaption", "", `${label} ${what.name}`), made.table);
    return { ...made, figure };
  }

  function grid(rows, columns, label, act) {
    const table = make("table", "blc-grid");
    table.setAttribute("role", "grid");
    table.setAttribute("aria-label", label);
    const cells = [];
    for (let row = 0; row < rows; row++) {
      const line = make("tr");
      for (let column = 0; column < columns; column++) {
        const cell = make("td");
        cell.tabIndex = cells.length ? -1 : 0;
        cells.push(cell);
        line.append(cell);
      }
      table.append(line);
    }
    const place = (at) => [Math.floor(at / columns), at % columns];
    const take = (at) => { act(...place(at)); cells[at].focus(); };
    table.addEventListener("click", (event) => {
      const at = cells.indexOf(event.target.closest("td"));
      if (at >= 0) take(at);
    });
    table.addEventListener("keydown", (event) => {
      const at = cells.indexOf(event.target);
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
      const keep = event.key === "Enter" || event.key === " ";
      if (at < 0 || (!step && !keep)) return;
      event.preventDefault();
      event.stopPropagation();
      if (cells[at + (step || 0)]) take(at + (step || 0));
    });
    return { table, cells, place };
  }

  function shade(cell, share) {
    cell.style.setProperty("--share", `${Math.round(Math.sqrt(Math.abs(share)) * 85)}%`);
    cell.classList.toggle("less", share < 0);
  }

  function make(kind, name = "", text = "") {
    const made = document.createElement(kind);
    if (name) made.className = name;
    if (text) made.textContent = text;
    return made;
  }
}
