// The palette: everything that can be done here, found by typing. Ctrl K or ⌘ K.

import { h, put } from "/web/dom.js";

const MOST = 60;

/** What can be done: [{ name, note, act }]; the buttons of the screen are among them by their names. */
export function deeds(main, say) {
  const found = new Map();
  for (const one of main.querySelectorAll("button:not(:disabled), a[href], [data-first]")) {
    if (!one.getClientRects().length) continue;
    const name = named(one);
    if (!name || found.has(name)) continue;
    found.set(name, { name, note: one.title.length < 3 ? one.title : "", act: () => act(one) });
  }
  return [...found.values()].map((one) => ({ ...one, group: say("palette.here") }));
}

function named(one) {
  const text = one.getAttribute("aria-label") || one.textContent.trim() || one.title;
  return text && text.length < 80 ? text : "";
}

function act(one) {
  if (one.matches("input, select, textarea")) one.focus();
  else one.click();
}

/** Show the palette in an element; `close()` is called when it is done with. */
export function palette(sheet, say, offers, close) {
  let shown = [];
  let at = 0;
  const list = h("ul", { role: "listbox", id: "palette-list", "aria-label": say("palette.title") });
  const field = h("input", {
    type: "text",
    role: "combobox",
    "aria-expanded": "true",
    "aria-controls": "palette-list",
    "aria-label": say("palette.title"),
    placeholder: say("palette.hint"),
    spellcheck: "false",
    autocomplete: "off",
    maxlength: 100,
    on: { input: () => find(), keydown: press },
  });

  function find() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = offers
      .filter((one) => words.every((word) => `${one.name} ${one.group}`.toLowerCase().includes(word)))
      .slice(0, MOST);
    at = 0;
    draw();
  }

  function draw() {
    put(
      list,
      shown.map((one, k) =>
        h(
          "li",
          { role: "option", id: `palette-${k}`, "aria-selected": String(k === at), on: { click: () => choose(k) } },
          one.name,
          h("span", {}, one.note ? h("kbd", {}, one.note) : one.group),
        ),
      ),
      shown.length ? null : h("li", { role: "option", "aria-selected": "false" }, say("palette.none")),
    );
    if (shown.length) field.setAttribute("aria-activedescendant", `palette-${at}`);
    else field.removeAttribute("aria-activedescendant");
    list.children[at]?.scrollIntoView({ block: "nearest" });
  }

  function press(event) {
    if (event.isComposing) return; // the letters of a Korean syllable
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && shown.length) {
      at = (at + step + shown.length) % shown.length;
      draw();
    } else if (event.key === "Enter") choose(at);
    else if (event.key === "Escape") close();
    else if (event.key !== "Tab") return;
    event.preventDefault();
    event.stopPropagation();
  }

  function choose(k) {
    if (!shown[k]) return;
    close();
    shown[k].act();
  }

  put(sheet, h("section", { role: "dialog", "aria-label": say("palette.title"), class: "card palette" }, field, list));
  sheet.hidden = false;
  find();
  field.focus();
}
