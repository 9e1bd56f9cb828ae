// The frame of the page: which screen, which language, which theme, and the keys.

import { button, h, put } from "/web/dom.js";
import { deeds, palette } from "/web/palette.js";
import { Lost, Refused, Stale, ask, connect, drag, watch } from "/web/live.js";
import { language, languages, say, speak, wanted } from "/web/words.js";

const SCREENS = ["circuit", "train", "runs", "landscape", "look", "optimisers", "check", "compiler", "net"];
const WHOLE = new Set(["landscape"]); // a document of its own: its plotting library writes styles
const bar = document.getElementById("bar");
const main = document.getElementById("screen");
const banner = document.getElementById("banner");
const sheet = document.getElementById("sheet");
let current = null;
let shown = "";
let turn = 0;
let stranger = false; // whether the server has a key that this page does not know
let before = null; // what had the focus when the sheet was opened

/** What every screen is handed. */
const page = {
  ask,
  drag,
  watch,
  say,
  main,
  address: () => new URLSearchParams(location.search),
  keep(values) {
    const text = new URLSearchParams(values).toString();
    const address = text ? `${location.pathname}?${text}` : location.pathname;
    if (text.length < 3000) history.replaceState(history.state, "", address);
  },
  /** What this screen answered from `state()` when it was left: by a reload, another language, or the way back. */
  recall: () => history.state?.[shown] ?? {},
  speak(text) {
    document.getElementById("spoken").textContent = text;
  },
  /** Say an error where it belongs; one that a newer question or a lost connection made is none. */
  complain(place, error) {
    if (error instanceof Stale || error instanceof Lost) return;
    put(
      place,
      h(
        "p",
        { class: "problem", role: "alert" },
        error instanceof Refused && error.message ? error.message : say("failed"),
      ),
    );
    if (!(error instanceof Refused)) console.warn(error);
  },
};

async function open(name, push = false) {
  if (!SCREENS.includes(name)) name = "circuit";
  if (push && (WHOLE.has(name) || WHOLE.has(shown))) {
    location.assign(`/${name}`);
    return;
  }
  hold();
  if (push) history.pushState(null, "", `/${name}`);
  const mine = ++turn;
  current?.close?.();
  current = null;
  shown = name;
  main.removeAttribute("data-ready");
  main.className = `screen ${name}`;
  document.title = `${say(`screen.${name}`)} · Backlight`;
  draw();
  put(main, h("p", { class: "quiet" }, say("loading")));
  try {
    const module = await import(`/web/${name}_screen.js`);
    if (mine !== turn) return;
    put(main);
    const opened = await module.open(main, page);
    if (mine !== turn) opened?.close?.();
    else current = opened;
  } catch (error) {
    if (mine === turn) page.complain(main, error);
  }
  if (mine === turn) main.dataset.ready = name;
}

/** Keep what the address does not tell: it is there again after a reload and after the way back. */
function hold() {
  const held = current?.state?.();
  if (held) history.replaceState({ [shown]: held }, "");
}

function draw() {
  const links = SCREENS.map((name) =>
    h(
      "a",
      {
        href: `/${name}`,
        "aria-current": name === shown ? "page" : false,
        on: {
          click: (event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey) return;
            event.preventDefault();
            open(name, true);
          },
        },
      },
      say(`screen.${name}`),
    ),
  );
  const codes = Object.entries(languages()).map(([code, name]) =>
    button(code === "ko" ? "한" : code.toUpperCase(), () => change(code), {
      title: name,
      lang: code,
      "aria-pressed": String(code === language()),
    }),
  );
  put(
    bar,
    h("a", { class: "skip", href: "#screen" }, say("skip")),
    h("a", { class: "name", href: "/circuit" }, "Backlight"),
    h("nav", { "aria-label": say("screens") }, links),
    h(
      "div",
      { class: "tools" },
      h("div", { class: "joined", role: "group", "aria-label": say("language") }, codes),
      button("⌕", offer, { title: say("palette.title"), "aria-label": say("palette.title") }),
      button("◐", theme, { title: say("theme"), "aria-label": say("theme") }),
      button("?", help, { title: say("keys.title"), "aria-label": say("keys.title") }),
    ),
  );
  bar.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}

async function change(code) {
  hold();
  await speak(code);
  await open(shown);
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("backlight.theme", root.dataset.theme);
  current?.repaint?.();
}

function help() {
  if (!sheet.hidden) {
    close();
    return;
  }
  const keys = [["?", "keys.help"], ["Ctrl K", "keys.palette"], ["/", "keys.first"], ["Ctrl ↑ ↓", "keys.screens"], ...(current?.keys ?? [])];
  before = document.activeElement;
  main.inert = bar.inert = true; // the focus stays in the sheet
  sheet.hidden = false;
  put(
    sheet,
    h(
      "section",
      { role: "dialog", "aria-label": say("keys.title"), class: "card", tabindex: -1 },
      h("h2", {}, say("keys.title")),
      h(
        "dl",
        {},
        keys.map(([key, meaning]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, say(meaning))]),
      ),
      button(say("close"), help),
    ),
  );
  sheet.firstChild.focus();
}

function close() {
  sheet.hidden = true;
  main.inert = bar.inert = false;
  put(sheet);
  (before?.isConnected ? before : main).focus();
  before = null;
}

/** Everything that can be done, to be found by typing. */
function offer() {
  if (!sheet.hidden) close();
  before = document.activeElement;
  const group = say("screens");
  palette(
    sheet,
    say,
    [
      ...deeds(main, say),
      ...SCREENS.map((name) => ({ name: say(`screen.${name}`), note: "", group, act: () => open(name, true) })),
      ...Object.entries(languages()).map(([code, name]) => ({
        name,
        note: "",
        group: say("language"),
        act: () => change(code),
      })),
      { name: say("theme"), note: "", group: say("palette.page"), act: theme },
      { name: say("keys.title"), note: "?", group: say("palette.page"), act: help },
    ],
    close,
  );
  main.inert = bar.inert = true;
}

sheet.addEventListener("click", (event) => event.target === sheet && close());

addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input:not([type=range]):not([type=checkbox]), textarea, select");
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") offer();
  else if (event.key === "Escape" && !sheet.hidden) close();
  else if (event.key === "Escape" && typing) typing.blur();
  else if (event.ctrlKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    const place = SCREENS.indexOf(shown) + (event.key === "ArrowDown" ? 1 : -1);
    open(SCREENS.at(place % SCREENS.length), true);
  } else if (own(event)) return;
  else if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  else if (event.key === "?") help();
  else if (event.key === "/") main.querySelector("[data-first]")?.focus();
  else if (!current?.key?.(event)) return;
  event.preventDefault();
});
/** Keys that the element in focus answers itself: a button its space, a slider its arrows. */
function own(event) {
  const kind = event.target.closest?.("button, a, summary, input[type=checkbox]")
    ? "press"
    : event.target.closest?.("input[type=range]")
      ? "slide"
      : "";
  if (kind === "press") return event.key === " " || event.key === "Enter";
  return (
    kind === "slide" && (event.key.startsWith("Arrow") || ["Home", "End", "PageUp", "PageDown"].includes(event.key))
  );
}

addEventListener("popstate", () => {
  current?.close?.();
  current = null; // the entry of the history is another one already
  open(location.pathname.slice(1));
});
addEventListener("pagehide", hold);

async function begin() {
  const kept = localStorage.getItem("backlight.theme");
  if (kept) document.documentElement.dataset.theme = kept;
  await speak(wanted()).catch(() => speak("en"));
  await new Promise((resolve) => {
    connect(
      (up, tries, reason) => {
        stranger = stranger && !up;
        const why = stranger ? "stranger" : reason === "full" ? "tabs" : "reconnecting";
        banner.hidden = up || (tries < 2 && reason === "");
        banner.textContent = up ? "" : say(why, { count: tries });
        document.body.classList.toggle("away", !up && tries > 1);
        if (up) resolve();
        else if (tries > 3) lookForKey();
      },
      () => current?.again?.(),
    );
  });
  await open(location.pathname.slice(1));
}

/** A server that was started anew by somebody else does not know this page. */
async function lookForKey() {
  const answer = await fetch("/words/en.json").catch(() => null);
  stranger = answer?.status === 401;
  if (stranger) banner.textContent = say("stranger");
}

begin();
