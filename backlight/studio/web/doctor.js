// What the doctor says: remarks during a training, and the diagnosis of the toy.

import { button, h, put } from "/web/dom.js";
import { language } from "/web/words.js";

/** Remarks of a run, the newest last; null where there are none. */
export function remarks(page, found, name = "") {
  if (!found?.length) return null;
  const { say } = page;
  return h(
    "section",
    { class: "card", "data-remarks": true },
    h("h2", {}, say("doctor.remarks"), name ? ` · ${name}` : ""),
    h(
      "ul",
      { class: "doctor" },
      found.map((one) =>
        h(
          "li",
          { class: "warning" },
          h("b", {}, "! "),
          one.step === null ? "" : say("doctor.step", { step: one.step }),
          " ",
          one.said[language()] ?? one.said.en,
        ),
      ),
    ),
  );
}

/** A button that lets the doctor examine the toy, and the panel for what it finds. */
export function examination(page) {
  const { say } = page;
  const panel = h("section", { class: "card", hidden: true, "data-diagnosis": true });
  const asks = button(say("doctor.examine"), examine, { title: "E", "data-examine": true });

  function examine() {
    asks.disabled = true;
    panel.hidden = false;
    put(panel, h("p", { class: "quiet" }, say("doctor.working")));
    page
      .ask("toy.examine")
      .then(show, (error) => page.complain(panel, error))
      .finally(() => (asks.disabled = false));
  }

  function show(found) {
    const of = (verdict) => found.findings.filter((one) => one.verdict === verdict);
    const wrong = [...of("fault"), ...of("warning")].sort((a, b) => a.follows.length - b.follows.length);
    const [well, open] = [of("ok"), of("not checked")];
    put(
      panel,
      h("h2", {}, say(found.ok ? "doctor.sound" : "doctor.ill", { step: found.step })),
      h("ul", { class: "doctor" }, wrong.map(told)),
      h("p", { class: "note" }, say("doctor.counts", { well: well.length, open: open.length })),
      h(
        "details",
        {},
        h("summary", {}, say("doctor.all")),
        h(
          "ul",
          { class: "doctor" },
          well.map((one) => h("li", {}, `✓ ${one.title}${one.found ? `: ${one.found}` : ""}`)),
          open.map((one) => h("li", { class: "quiet" }, `– ${one.title}: ${one.found}`)),
        ),
      ),
    );
    panel.dataset.ok = String(found.ok);
    page.speak(panel.querySelector("h2").textContent);
  }

  function told(one) {
    return h(
      "li",
      { class: one.follows.length ? null : one.verdict },
      h("b", {}, one.verdict === "fault" ? "✗ " : "! "),
      one.found,
      one.follows.length ? h("p", { class: "note" }, say("doctor.follows")) : h("p", { class: "note" }, one.remedy),
    );
  }

  return { button: asks, panel, examine };
}
