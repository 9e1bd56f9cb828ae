// A circuit on the page. The drawing and its numbers come from the server; circuit.js, which notebooks
// and exported pages use as well, exchanges numbers in place and shows what a step knows.

import { mount } from "/web/circuit.js";

/**
 * Put a drawing into an element. `picked(node)` is told of a box that is chosen, `folded(keys)` of
 * the layers that are to be open when one was opened or folded. Answers with { update(figures), show(count) }.
 */
export function drawn(element, data, { steps = [], picked = () => {}, folded = () => {} } = {}) {
  const { svg, ...rest } = data;
  // As XML and not as markup: what it holds is text, whatever it says.
  const parsed = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  element.replaceChildren(document.importNode(parsed, true));
  fit(element);
  const mounted = mount(element, { ...rest, steps }, { controls: false, keys: false });
  mounted
    .on("select", (box) => picked(box.node))
    .on("fold", ({ group, open }) => {
      const keys = new Set([...element.querySelectorAll(".frame[data-group]")].map((one) => one.dataset.group));
      if (open) keys.add(group);
      else keys.delete(group);
      folded([...keys]);
    });
  element.querySelector("svg").addEventListener("keydown", (event) => {
    const boxes = [...element.querySelectorAll("[data-box]")];
    const at = boxes.indexOf(document.activeElement);
    const frame = document.activeElement.closest?.(".frame[data-group]");
    if (at < 0 && frame && event.key === "Enter") {
      frame.dispatchEvent(new MouseEvent("click", { bubbles: true }));
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (at < 0 || (!step && event.key !== "Enter")) return;
    if (step) boxes[(at + step + boxes.length) % boxes.length].focus();
    else boxes[at].dispatchEvent(new MouseEvent("click", { bubbles: true }));
    event.preventDefault();
    event.stopPropagation();
  });
  return {
    update: (figures) => mounted.update({ figures }),
    tell: (found) => mounted.update({ steps: found }),
    /** Show what is known after so many steps; null shows everything. */
    show(count) {
      mounted.setStep(count === null ? -1 : Math.max(0, count - 1));
      element.querySelector(".now")?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
    },
  };
}

/** A drawing that is a little too wide is made smaller; one that is much too wide scrolls. */
function fit(element) {
  const svg = element.querySelector("svg");
  const room = element.clientWidth - 24;
  const width = Number(svg.getAttribute("width"));
  if (width <= room || width > 1.45 * room) return;
  svg.setAttribute("height", String((Number(svg.getAttribute("height")) * room) / width));
  svg.setAttribute("width", String(room));
}
