// A circuit on the page. The drawing and its numbers come from the server; circuit.js, which notebooks
// and exported pages use as well, exchanges numbers in place and shows what a step knows.

import { mount } from "/web/circuit.js";

const [SMALLEST, LARGEST, PER_PIXEL] = [0.69, 1.35, 0.01];

/**
 * Put a drawing into an element. `picked(node)` is told of a box that is chosen, `folded(keys)` of
 * the layers that are to be open when one was opened or folded. An input whose value `grabbed(node)`
 * answers is dragged: `dragged(node, value)`, `released()`. Answers with { update(figures), show(count) }.
 */
export function drawn(element, data, { steps = [], picked = () => {}, folded = () => {}, ...hand } = {}) {
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
  if (hand.grabbed) draggable(element, data.boxes, hand);
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

/** A small drawing fills its room; one a little too wide is made smaller; one much too wide scrolls. */
function fit(element) {
  const svg = element.querySelector("svg");
  const width = Number(svg.getAttribute("width"));
  const share = Math.min((element.clientWidth - 24) / width, LARGEST);
  if (!(share >= SMALLEST)) return;
  svg.setAttribute("height", String(Number(svg.getAttribute("height")) * share));
  svg.setAttribute("width", String(width * share));
}

/** Inputs that follow the hand: to the right is more, to the left is less. */
function draggable(element, boxes, { grabbed, dragged, released }) {
  const svg = element.querySelector("svg");
  const nodes = new Map(boxes.filter((box) => box.kind === "leaf").map((box) => [box.key, box.node]));
  for (const group of svg.querySelectorAll("[data-box]")) {
    const node = nodes.get(group.dataset.box);
    if (node === undefined || grabbed(node) === null) continue;
    group.classList.add("draggable");
    group.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false }); // no scrolling
    group.addEventListener("pointerdown", (event) => {
      const [from, value] = [event.clientX, grabbed(node)];
      let moved = false;
      const follow = (next) => {
        if (!moved && Math.abs(next.clientX - from) < 4) return;
        moved = true;
        dragged(node, Number((value + PER_PIXEL * Math.round(next.clientX - from)).toFixed(6)));
      };
      const end = (last) => {
        removeEventListener("pointermove", follow);
        removeEventListener("pointerup", end);
        removeEventListener("pointercancel", end);
        if (moved) released();
        else if (last.type === "pointerup" && event.pointerType === "touch") {
          group.dispatchEvent(new MouseEvent("click", { bubbles: true }));
        }
      };
      addEventListener("pointermove", follow);
      addEventListener("pointerup", end);
      addEventListener("pointercancel", end);
      event.preventDefault();
    });
  }
}
