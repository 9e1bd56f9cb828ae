// Elements made from text and attributes. Data never become markup: there is no innerHTML anywhere.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. `on` holds listeners, `style` properties; false and null leave an attribute out. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "style") {
      for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    } else if (name in PROPERTIES) {
      element[name] = value;
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat(3).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

const PROPERTIES = { value: 1, checked: 1, disabled: 1, hidden: 1, indeterminate: 1 };

/** Replace what is inside an element. */
export function put(element, ...children) {
  element.replaceChildren(...children.flat(3).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

/** A button with its text; `key` is shown as the key that does the same. */
export function button(text, click, attributes = {}) {
  return h("button", { type: "button", ...attributes, on: { click } }, text);
}

/** A labelled field; answers with the label that holds both. */
export function field(text, control, note = null) {
  return h("label", { class: "field" }, h("span", {}, text), control, note ? h("small", {}, note) : null);
}

/** A choice among names. */
export function choice(options, chosen, change, attributes = {}) {
  const made = h("select", { ...attributes, on: { change: () => change(made.value) } });
  for (const option of options) {
    const [value, text] = Array.isArray(option) ? option : [option, option];
    made.append(h("option", { value, selected: value === chosen }, text));
  }
  return made;
}

/** A table from a head and rows of texts, numbers or elements. */
export function table(head, rows, attributes = {}) {
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": attributes.caption || head[0] },
    h(
      "table",
      { "aria-label": attributes.caption ? null : head.join(", ") },
      attributes.caption ? h("caption", {}, attributes.caption) : null,
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          head.map((one) => h("th", { scope: "col" }, one)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            row.attributes ?? {},
            (row.cells ?? row).map((one, place) => (place ? h("td", {}, one) : h("th", { scope: "row" }, one))),
          ),
        ),
      ),
    ),
  );
}

/** Hand a text to the user as a file. */
export function download(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** A drawing surface that follows its size on the page and the density of the screen. */
export function surface(width, height, attributes = {}) {
  return h("canvas", { width, height, ...attributes });
}

/** The value of a colour of the theme. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** `#rrggbb` as three numbers. */
export function parsed(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}
