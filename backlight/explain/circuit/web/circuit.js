/* A drawn circuit that answers: numbers that follow, steps, folding, statistics, a table.

   export function mount(element, data, options) → {update(data), setStep(n), step, on(event, f), destroy()}

   data     svg      the drawing as text; left out if `element` already holds it,
                     also as img.blc-still, a packed image
            boxes    [{key, node, gate, kind, stub, detail?}] in the order of the drawing
            ends     [gate at the end of each wire] (optional)
            figures  {boxes: [[value, gradient, total, level, label, strip]], wires: [level]};
                     strip: [level] of the gradients inside a folded layer
            steps    [{back, node, said, lit, done?}] (optional): the sentence, the nodes whose
                     number is then known, and the gates that have then handed back (itself)
            words    what buttons and lists say (needed for controls)
            table    {heads, rows}; views {key: packed data}; fold {default: [keys], around: {key: key}}
   update   takes the same: `figures` alone changes numbers in place; with `svg`, all is drawn anew.
   setStep  −1 shows everything; n shows what is known after step n, the rest as dots.
   events   "step" n · "select" {key, node, kind} (focus or click) · "hover" the same or null
            "fold" {group, open}: a layer was asked to open or fold; where `data.views` holds the
            answer it is shown, otherwise the host answers by update().
   options  controls (true): buttons, sentence, statistics and table · keys (true): ← → Enter U T ? Space

   Nothing is computed and nothing is said here: numbers, sentences and thicknesses come as data. */

const LEVELS = { "-1": "none", "-2": "zero", "-3": "broken" };
const HIDDEN = "·";

export function mount(element, data, options = {}) {
  const controls = options.controls !== false;
  const keys = options.keys !== false;
  const listeners = {};
  const stop = new AbortController();
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let shown = { ...data };
  let step = -1;
  let timer = 0;
  let boxes = [], wires = [], stubs = [];

  const picture = make("div", "blc-picture");
  const panel = controls ? furnish() : null;
  const start = element.querySelector("svg.blc");
  if (start && !data.svg) picture.append(start);
  const still = element.querySelector("img.blc-still");
  if (still && !data.svg) shown.svg = new TextDecoder().decode(bytes(still.src.split(",")[1]));
  element.replaceChildren(...(controls ? [panel.bar, picture, panel.said, panel.detail, panel.help, panel.table] : [picture]));
  element.classList.add("blc-live");
  draw();

  function tell(event, what) { for (const f of listeners[event] || []) f(what); }

  // ── the drawing ──────────────────────────────────────────────────────────────────────────

  function draw() {
    if (shown.svg) {
      // Read as a drawing, not as a page: no script or handler in it can ever run.
      const read = new DOMParser().parseFromString(shown.svg, "image/svg+xml");
      picture.replaceChildren(document.adoptNode(read.documentElement));
      if (panel) fillTable();
    }
    const svg = picture.querySelector("svg");
    const byKey = new Map([...svg.querySelectorAll("[data-box]")].map((g) => [g.dataset.box, g]));
    boxes = shown.boxes.map((box) => {
      const group = byKey.get(box.key);
      const one = (name) => group && group.querySelector("text." + name);
      return { ...box, group, value: one("value"), gradient: one("gradient"), total: one("total"),
        strip: group ? [...group.querySelectorAll(".strip path")] : [] };
    });
    const paths = [...svg.querySelectorAll("g[aria-hidden]:not(.strip) > path.wire")];
    wires = paths.slice(0, shown.figures.wires.length);
    stubs = paths.slice(shown.figures.wires.length);
    write();
  }

  function write() {
    const known = reached();
    let stub = 0;
    boxes.forEach((box, at) => {
      const [value, gradient, total, level, label, strip] = shown.figures.boxes[at];
      const hasValue = known.value(box), hasGradient = known.gradient(box);
      put(box.value, value && (hasValue ? value : HIDDEN));
      put(box.gradient, gradient && (hasGradient ? gradient : HIDDEN));
      put(box.total, total && (hasGradient ? "Σ " + total : HIDDEN));
      if (box.group) {
        put(box.group.querySelector("title"), label);
        box.group.setAttribute("aria-label", label);
        box.group.classList.toggle("now", known.now === box.node && box.kind !== "leaf" && box.kind !== "share");
      }
      box.strip.forEach((path, part) => thick(path, hasGradient && strip ? strip[part] : -1));
      if (box.stub) thick(stubs[stub++], hasGradient ? level : -1);
    });
    wires.forEach((wire, at) => {
      const back = known.everything || (shown.ends && known.handed.has(shown.ends[at]));
      thick(wire, back ? shown.figures.wires[at] : -1);
    });
  }

  /* What is known after this step: a share of a gradient once its gate has handed it back. */
  function reached() {
    if (step < 0 || !shown.steps) return { value: () => true, gradient: () => true, everything: true };
    const values = new Set(), gradients = new Set(), handed = new Set();
    shown.steps.slice(0, step + 1).forEach((one) => {
      for (const node of one.lit) (one.back ? gradients : values).add(node);
      if (one.back) for (const node of one.done || [one.node]) handed.add(node);
    });
    return {
      now: shown.steps[step].node,
      handed,
      everything: step === shown.steps.length - 1,
      value: (box) => box.kind === "leaf" || values.has(box.node),
      gradient: (box) => (box.gate >= 0 ? handed.has(box.gate) : gradients.has(box.node)),
    };
  }

  function put(text, what) { if (text && text.textContent !== what) text.textContent = what; }
  function thick(path, level) {
    if (path) path.setAttribute("class", "wire " + (LEVELS[level] || "l" + level));
  }

  // ── steps ────────────────────────────────────────────────────────────────────────────────

  function setStep(n) {
    const count = shown.steps ? shown.steps.length : 0;
    step = Math.max(-1, Math.min(count - 1, n));
    write();
    if (panel) {
      const w = shown.words;
      put(panel.count, step < 0 ? "" : w.step.replace("{number}", step + 1).replace("{count}", count));
      put(panel.said, step < 0 ? w.whole : shown.steps[step].said);
    }
    tell("step", step);
  }

  function play() {
    if (timer) { clearInterval(timer); timer = 0; }
    else {
      if (step >= shown.steps.length - 1) setStep(-1);
      timer = setInterval(() => {
        if (step >= shown.steps.length - 1) play(); else setStep(step + 1);
      }, calm.matches ? 2500 : 1400);
    }
    if (panel) {
      put(panel.play, timer ? "❚❚" : "▶");
      panel.play.setAttribute("aria-label", timer ? shown.words.pause : shown.words.play);
    }
  }

  // ── folding ──────────────────────────────────────────────────────────────────────────────

  async function fold(group, open) {
    const views = shown.views || {};
    const usual = (shown.fold && shown.fold.default) || [];
    let wanted = open ? group : usual.includes(group) ? "-" + group : (shown.fold?.around || {})[group];
    if (!open && usual.includes(wanted)) wanted = "";
    const packed = views[wanted ?? ""];
    tell("fold", { group, open });
    if (packed) {
      update(typeof packed === "string" ? await unpack(packed) : packed);
      const again = picture.querySelector(`[data-group="${CSS.escape(group)}"]`);
      if (again && keys) again.focus();
    } else if (panel && shown.views) {
      put(panel.said, shown.words.elsewhere.replace("{group}", group));
    }
  }

  function bytes(text) { return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)); }

  async function unpack(text) {
    const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  function update(more) {
    const count = shown.steps?.length;
    shown = { ...shown, ...more };
    const other = more.svg || (more.steps && more.steps.length !== count);
    if (other) step = -1; // a step of the old drawing says nothing about the new one
    if (more.svg) { draw(); describe(null); } else write();
    if (other || more.steps) setStep(step);
  }

  // ── pointing, walking, keys ──────────────────────────────────────────────────────────────

  function boxOf(target) {
    const group = target.closest && target.closest("[data-box]");
    return group ? boxes.find((box) => box.group === group) : null;
  }

  function light(box) {
    for (const one of boxes) one.group?.classList.toggle("same", !!box && one.node === box.node && one.kind !== "layer");
    describe(box);
  }

  function describe(box) {
    if (!panel) return;
    panel.detail.replaceChildren();
    const at = box ? boxes.indexOf(box) : -1;
    if (at < 0) { panel.detail.append(make("p", "", shown.words.pick)); return; }
    panel.detail.append(make("p", "", shown.figures.boxes[at][4]));
    for (const rows of box.detail || []) {
      const list = make("dl");
      for (const [name, text] of rows) {
        const pair = make("div");
        pair.append(make("dt", "", name), make("dd", "", text));
        list.append(pair);
      }
      panel.detail.append(list);
    }
  }

  const where = { signal: stop.signal };
  picture.addEventListener("pointerover", (event) => {
    const box = boxOf(event.target);
    light(box);
    tell("hover", box && plain(box));
  }, where);
  picture.addEventListener("focusin", (event) => {
    const box = boxOf(event.target);
    if (box) { light(box); tell("select", plain(box)); }
  }, where);
  picture.addEventListener("click", (event) => {
    const box = boxOf(event.target);
    if (box) { light(box); tell("select", plain(box)); }
    const group = event.target.closest("[data-group]");
    if (group) fold(group.dataset.group, group.getAttribute("aria-expanded") === "false");
  }, where);
  if (keys) element.addEventListener("keydown", press, where);

  function plain(box) { return { key: box.key, node: box.node, kind: box.kind }; }

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input,textarea,select")) return;
    const onButton = event.target.closest("button");
    const group = event.target.closest("[data-group]");
    const count = shown.steps ? shown.steps.length : 0;
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const acts = {
      ArrowRight: () => setStep(event.shiftKey ? count - 1 : step + 1),
      ArrowLeft: () => setStep(event.shiftKey ? -1 : step - 1),
      " ": () => onButton ? false : count ? play() : false,
      Enter: () => (onButton || !group ? false : fold(group.dataset.group, group.getAttribute("aria-expanded") === "false")),
      u: () => (group ? fold(group.dataset.group, true) : tell("unfold", null)),
      t: () => (panel ? toggle(panel.table, panel.tableButton) : tell("table", null)),
      "?": () => (panel ? toggle(panel.help, panel.helpButton) : tell("keys", null)),
    };
    if (acts[name] && acts[name]() !== false) event.preventDefault();
  }

  // ── buttons, sentence, statistics, table ─────────────────────────────────────────────────

  function make(kind, name = "", text = "") {
    const made = document.createElement(kind);
    if (name) made.className = name;
    if (text) made.textContent = text;
    return made;
  }

  function toggle(part, button) {
    part.hidden = !part.hidden;
    button.setAttribute("aria-pressed", String(!part.hidden));
  }

  function furnish() {
    const w = shown.words;
    const bar = make("div", "blc-bar");
    bar.setAttribute("role", "toolbar");
    const button = (sign, label, act) => {
      const made = make("button", "", sign);
      made.type = "button";
      made.title = label;
      made.setAttribute("aria-label", label);
      made.addEventListener("click", act);
      bar.append(made);
      return made;
    };
    const parts = { bar };
    if (shown.steps?.length) {
      button("«", w.first, () => setStep(-1));
      button("‹", w.back, () => setStep(step - 1));
      parts.play = button("▶", w.play, play);
      button("›", w.forward, () => setStep(step + 1));
      button("»", w.last, () => setStep(shown.steps.length - 1));
    }
    parts.count = make("span", "blc-count");
    bar.append(parts.count);
    parts.table = make("div", "blc-table");
    parts.help = make("ul", "blc-help");
    parts.tableButton = button(w.table, w.key_table, () => toggle(parts.table, parts.tableButton));
    if (shown.views && Object.keys(shown.views).length > 1) {
      button(w.fold, w.fold, () => fold("", true));
    }
    parts.helpButton = button("?", w.keys, () => toggle(parts.help, parts.helpButton));
    for (const name of ["key_step", "key_play", "key_walk", "key_fold", "key_table", "key_help"]) {
      parts.help.append(make("li", "", w[name]));
    }
    parts.table.hidden = parts.help.hidden = true;
    parts.said = make("p", "blc-said", w.whole);
    parts.said.setAttribute("aria-live", "polite");
    parts.detail = make("div", "blc-detail");
    parts.detail.append(make("p", "", w.pick));
    parts.play ??= make("span");
    return parts;
  }

  function fillTable() {
    const table = make("table");
    const row = (cells, kind) => {
      const made = make("tr");
      for (const cell of cells) made.append(make(kind, "", cell));
      return made;
    };
    if (!shown.table) return;
    const head = make("thead"), body = make("tbody");
    head.append(row(shown.table.heads, "th"));
    for (const cells of shown.table.rows) body.append(row(cells, "td"));
    table.append(head, body);
    panel.table.replaceChildren(table);
  }

  if (panel) fillTable();

  return {
    update,
    setStep,
    get step() { return step; },
    on(event, f) { (listeners[event] ||= []).push(f); return this; },
    destroy() { stop.abort(); clearInterval(timer); element.replaceChildren(); },
  };
}
