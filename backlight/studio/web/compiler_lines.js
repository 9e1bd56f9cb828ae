// Two stages of a program side by side: whoever points at a line of one sees where it came from and went.

import { button, choice, h, put } from "/web/dom.js";

const MOST_NAMED = 6;
let made = 0;

/** Tabs, the chosen stage and another one beside it; `load()` is called when another one is chosen. */
export function twoPanes(page, stages, load) {
  const { say } = page;
  let stage = "calls";
  let other = "";
  let titles = [];
  let pinned = null;

  const tabs = h(
    "div",
    { class: "row", role: "group", "aria-label": say("compiler.stages") },
    stages.map((one) =>
      button(
        one,
        () => {
          stage = one;
          load();
        },
        { "data-stage": one },
      ),
    ),
  );
  const picker = h("span", {});
  const told = h("p", { class: "note traced", role: "status", "data-traced": true }, say("compiler.point"));
  const left = pane(page, "left", point);
  const right = pane(page, "right", point);
  const element = h(
    "section",
    { class: "columns" },
    tabs,
    told,
    h("div", { class: "halves panes" }, left.element, h("div", { class: "columns" }, right.element)),
  );
  right.head.replaceChildren(h("span", {}, picker, " ", right.about));

  /** The stage to look at beside the chosen one: what it was made from, unless another is wanted. */
  function beside() {
    if (other && other !== stage) return other;
    const place = stages.indexOf(stage);
    return stages[place ? place - 1 : 1];
  }

  function point(side, piece, pin) {
    if (pin) pinned = pinned === piece ? null : piece;
    else if (pinned) return;
    const [here, there] = side === "left" ? [left, right] : [right, left];
    here.follow(piece);
    const kin = there.light(piece?.gates ?? [], true);
    here.light([], false);
    put(told, piece ? sentence(piece, kin, there.stage()) : say("compiler.point"));
  }

  function sentence(piece, kin, where) {
    if (!piece.gates.length) return say("compiler.no_gate");
    const named = piece.gates.slice(0, MOST_NAMED).map((one) => `%${one} ${titles[one] ?? ""}`.trim());
    if (piece.gates.length > MOST_NAMED) named.push("…");
    const gates = say("compiler.gates", { gates: named.join(", ") });
    return `${gates} ${say(kin ? "compiler.kin" : "compiler.gone", { count: kin, stage: where })}`;
  }

  return {
    element,
    chosen: () => ({ stage, beside: beside() }),
    working() {
      pinned = null;
      for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.stage === stage));
      put(
        picker,
        choice(
          stages.filter((one) => one !== stage),
          beside(),
          (one) => {
            other = one;
            load();
          },
          { "aria-label": say("compiler.beside") },
        ),
      );
      left.wait(stage);
      right.wait(beside());
    },
    show(found) {
      titles = found.gates;
      left.show(found);
      right.show(found.beside);
      put(told, say("compiler.point"));
    },
    failed() {
      left.wait(stage, "");
      right.wait(beside(), "");
    },
    key(event) {
      if (event.key !== "Escape" || !pinned) return false;
      pinned = null;
      point("left", null, false);
      right.follow(null);
      return true;
    },
  };
}

/** One stage: its pieces are lines, or whole kernels where it is code. */
function pane(page, side, point) {
  const { say } = page;
  let pieces = [];
  let at = -1;
  let name = "";
  const mine = ++made;
  const title = h("b", {});
  const about = h("span", { class: "note" });
  const head = h("p", { class: "row apart" }, h("span", {}, title, " ", about));
  const text = h("pre", {
    class: "pieces",
    tabindex: 0,
    role: "listbox",
    "data-side": side,
    on: {
      pointermove: (event) => event.pointerType !== "touch" && over(event, false),
      pointerleave: () => {
        at = -1;
        point(side, null, false);
      },
      click: (event) => over(event, true),
      keydown: move,
    },
  });

  function over(event, pin) {
    const found = event.target.closest?.("[data-piece]");
    const place = found ? Number(found.dataset.piece) : -1;
    if (place === at && !pin) return;
    at = place;
    point(side, pieces[place] ?? null, pin && place >= 0);
  }

  function move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -pieces.length, End: pieces.length }[event.key];
    if (!step || event.ctrlKey) return;
    event.preventDefault();
    event.stopPropagation();
    at = Math.max(0, Math.min(pieces.length - 1, at + step));
    text.setAttribute("aria-activedescendant", `piece-${mine}-${at}`);
    point(side, pieces[at], false);
    into(text, pieces[at].element);
  }

  return {
    element: h("div", { class: "columns" }, head, text),
    head,
    about,
    stage: () => name,
    wait(stage, why = say("compiler.working")) {
      name = stage;
      title.textContent = stage;
      about.textContent = why;
      text.setAttribute("aria-label", say("compiler.text", { stage }));
    },
    show(found) {
      const cut = found.length > found.text.length;
      const meaning = cut ? "compiler.cut" : "compiler.lines";
      about.textContent = say(meaning, { lines: found.lines.toLocaleString(), stage: found.stage });
      const lines = found.text.split("\n");
      let line = 0;
      at = -1;
      pieces = found.pieces.map(([count, gates], place) => {
        const own = lines.slice(line, line + count).join("\n");
        line += count;
        const element = h(
          "span",
          { role: "option", id: `piece-${mine}-${place}`, "data-piece": place, "aria-selected": "false" },
          `${own}\n`,
        );
        const [, result, rest] = /^(%\d+) = (.*)$/.exec(own) ?? [null, "", own];
        return { gates, element, result, reads: count === 1 ? (rest.match(/%\d+/g) ?? []) : [] };
      });
      put(
        text,
        pieces.map((one) => one.element),
      );
      text.scrollTop = 0;
    },
    /** Mark the pieces that came from any of these gates; answers how many there are. */
    light(gates, scroll) {
      const wanted = new Set(gates);
      const found = pieces.filter((one) => one.gates.some((gate) => wanted.has(gate)));
      const marked = new Set(found);
      for (const one of pieces) one.element.classList.toggle("kin", marked.has(one));
      if (scroll && found.length) into(text, found[0].element);
      return found.length;
    },
    /** Mark a piece, what it reads, and what reads it. */
    follow(piece) {
      for (const one of pieces) {
        const of = piece && one !== piece;
        one.element.setAttribute("aria-selected", String(one === piece));
        one.element.classList.toggle("from", Boolean(of && one.result && piece.reads.includes(one.result)));
        one.element.classList.toggle("to", Boolean(of && piece.result && one.reads.includes(piece.result)));
      }
    },
  };
}

/** Bring a piece into sight within its pane, and leave the page where it is. */
function into(text, element) {
  const [top, height] = [element.offsetTop, Math.min(element.offsetHeight, text.clientHeight)];
  if (top < text.scrollTop || top + height > text.scrollTop + text.clientHeight) {
    text.scrollTop = top - Math.max(0, (text.clientHeight - height) / 2);
  }
}
