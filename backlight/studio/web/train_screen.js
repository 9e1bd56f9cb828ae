// Train: a toy in the plane, live; or a real run on the digits, followed.

import { button, h, put } from "/web/dom.js";
import { openRun } from "/web/train_run.js";
import { openToy } from "/web/train_toy.js";

export async function open(main, page) {
  const { say } = page;
  let inner = null;
  let kind = page.address().get("kind") === "run" ? "run" : "toy";
  const place = h("div", {});
  const tabs = h(
    "div",
    { class: "joined", role: "group", "aria-label": say("train.what") },
    ["toy", "run"].map((one) => button(say(`train.${one}`), () => show(one), { "data-kind": one })),
  );
  put(main, tabs, place);

  async function show(one) {
    kind = one;
    inner?.close();
    inner = null;
    if (one === "toy") page.keep({});
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.kind === one));
    put(place);
    inner = await (one === "toy" ? openToy(place, page) : openRun(place, page));
  }

  await show(kind);
  return {
    close: () => inner?.close(),
    again: () => show(kind),
    state: () => inner?.state?.(),
    repaint: () => inner?.repaint?.(),
    key: (event) => inner?.key?.(event) ?? false,
    keys: [
      ["Space", "keys.play"],
      ["→", "keys.step"],
      ["R", "keys.renew"],
      ["E", "keys.examine"],
      ["C", "keys.collapse"],
      ["← ↑ → ↓", "keys.points"],
      ["Shift ← ↑ → ↓", "keys.move_point"],
      ["1 … 8", "keys.paint_point"],
      ["Del", "keys.erase_point"],
    ],
  };
}
