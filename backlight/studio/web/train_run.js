// A real run: settings from their declarations, started as a process of its own, followed in its folder.

import { button, choice, field, h, put } from "/web/dom.js";
import { runView } from "/web/run_view.js";

export async function openRun(place, page) {
  const { say, ask, watch } = page;
  const problem = h("div", {});
  const view = runView(page);
  let end = () => {};
  let name = page.address().get("run");
  const offered = await ask("train.choices");
  await ask("train.follow");
  const controls = Object.fromEntries(
    offered.map((one) => [
      one.name,
      one.among
        ? choice(one.default ? one.among : [["", say("run.own")], ...one.among], one.default, () => {}, {
            name: one.name,
          })
        : h("input", {
            type: "text",
            name: one.name,
            value: one.default ?? "",
            placeholder: say("run.own"),
            title: one.help,
          }),
    ]),
  );
  if (controls.data) controls.data.dataset.first = "true";
  if (controls.epochs) controls.epochs.value = "20";
  if (controls.model) controls.model.value = "mlp";
  const started = button(say("run.start"), start, { class: "main", "data-start": true });
  const paused = button(say("run.pause"), () => tell("train.pause"), { disabled: true });
  const resumed = button(say("run.resume"), () => tell("train.resume"), { disabled: true });

  const circuit = h("a", { hidden: true, "data-circuit": true }, say("run.circuit"));

  function start() {
    const settings = Object.fromEntries(
      Object.entries(controls)
        .map(([key, element]) => [key, element.value])
        .filter(([, value]) => value !== ""),
    );
    put(problem);
    ask("train.start", { settings }).then(
      (made) => follow(made.run),
      (error) => page.complain(problem, error),
    );
  }

  function tell(what) {
    ask(what, { run: name }).catch((error) => page.complain(problem, error));
  }

  function follow(run) {
    name = run;
    end();
    page.keep({ kind: "run", run });
    end = watch(`run ${run}`, (frame) => {
      paused.disabled = !frame.alive;
      resumed.disabled = frame.alive || frame.waiting || frame.starting || Boolean(frame.problem) || (frame.ended && !frame.stopped);
      circuit.hidden = !frame.epochs?.x.length; // its net is saved then
      circuit.href = `/circuit?${new URLSearchParams({ run })}`;
      view.show(frame);
    });
  }

  put(
    place,
    h(
      "div",
      { class: "columns two" },
      h(
        "div",
        { class: "columns" },
        h(
          "section",
          { class: "card" },
          h("h2", {}, say("run.settings")),
          Object.entries(controls).map(([key, element]) => field(key.replaceAll("_", "-"), element)),
          h("div", { class: "row" }, started, paused, resumed),
          circuit,
        ),
        problem,
        h("p", { class: "note" }, say("run.note")),
      ),
      view.element,
    ),
  );
  if (name) follow(name);
  return {
    close() {
      end();
      view.close();
    },
  };
}
