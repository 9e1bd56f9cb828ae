// Walking through a circuit gate by gate: the buttons, the track, and the sentence of each step.

import { button, h, put } from "/web/dom.js";

const PAUSE = 1400;

/** `shown(count)` is told after which step the drawing stands; null for all of it. */
export function stepper(page, shown) {
  const { say } = page;
  const sentence = h("p", { class: "sentence" });
  const where = h("h2", {}, say("circuit.whole"));
  const track = h("div", { class: "track", "aria-hidden": "true" });
  const counted = h("span", { class: "note" });
  const plays = button(say("circuit.play"), () => play(), { "data-play": true, title: "Space" });
  let steps = [];
  let at = null;
  let playing = null;

  function go(number, spoken = true) {
    at = number === null || !steps.length ? null : Math.max(1, Math.min(steps.length, number));
    shown(at);
    [...track.children].forEach((mark, k) => {
      mark.className = at !== null && k < at ? (steps[k].back ? "back" : "done") : "";
    });
    counted.textContent = at === null ? "" : `${at} / ${steps.length}`;
    tell();
    if (spoken) page.speak(sentence.textContent);
  }

  function tell() {
    const last = at === null ? null : steps[at - 1];
    where.textContent = last ? say(last.back ? "circuit.backward" : "circuit.forwards") : say("circuit.whole");
    sentence.textContent = last ? last.said : say("circuit.whole_told");
  }

  function play() {
    if (playing) {
      stop();
      return;
    }
    if (at === null || at >= steps.length) go(1);
    plays.textContent = say("circuit.pause");
    playing = setInterval(() => {
      if (at === null || at >= steps.length) stop();
      else go(at + 1);
    }, PAUSE);
  }

  function stop() {
    clearInterval(playing);
    playing = null;
    plays.textContent = say("circuit.play");
  }

  const first = () => go(1);
  const last = () => go(null);
  const back = () => go(at === null ? steps.length - 1 : at - 1);
  const forward = () => go(at === null ? 1 : at + 1);
  return {
    told: h("section", { class: "card" }, where, sentence),
    controls: [
      button("|◀", first, { "aria-label": say("circuit.first") }),
      button("◀", back, { "aria-label": say("circuit.back") }),
      plays,
      button("▶", forward, { "aria-label": say("circuit.forward"), "data-forward": true }),
      button("▶|", last, { "aria-label": say("circuit.last") }),
      track,
      counted,
    ],
    first,
    last,
    back,
    forward,
    play,
    stop,
    /** Another circuit: as many steps in are shown as before, if it has so many. */
    take(found) {
      steps = found;
      put(
        track,
        steps.map(() => h("i", {})),
      );
      go(at !== null && at <= steps.length ? at : null, false);
    },
    /** The same steps with other numbers in their sentences. */
    retell(found) {
      steps = found;
      tell();
    },
    forget() {
      at = null;
    },
    at: () => at,
    to: (number) => go(number, false),
  };
}
