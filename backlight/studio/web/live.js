// The live channel: questions with answers, and frames of what is watched. It finds its way back
// after a lost connection and a restarted server; who asks meanwhile is told that the answer is lost.

import { language } from "/web/words.js";

let socket = null;
let next = 1;
let tries = 0;
let timer = null;
const waiting = new Map();
const watchers = new Map();
const drags = new Map();
const listeners = { state: () => {}, again: () => {} };

/** Begin; `state(up, tries, reason)` is told of every change, `again()` of every way back. */
export function connect(state, again) {
  Object.assign(listeners, { state, again });
  open();
  document.addEventListener("visibilitychange", announce);
}

function open() {
  timer = null;
  socket = new WebSocket(`ws://${location.host}/live`);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => {
    const back = tries > 0;
    tries = 0;
    listeners.state(true, 0, "");
    announce();
    if (back) listeners.again();
  });
  socket.addEventListener("message", (event) => receive(event.data));
  socket.addEventListener("close", (event) => lost(event));
}

function lost(event) {
  for (const [, one] of waiting) one.reject(new Lost());
  waiting.clear();
  drags.clear();
  tries += 1;
  const full = event.code === 1013;
  listeners.state(false, tries, full ? "full" : "");
  if (timer === null) timer = setTimeout(open, full ? 3000 : Math.min(4000, 250 * 1.5 ** Math.min(tries, 12)));
}

/** The connection was lost before the answer came. */
export class Lost extends Error {}

/** The server refused, in words. */
export class Refused extends Error {
  constructor(told) {
    super(told.message);
    this.told = told;
  }
}

/** A newer question has taken the place of this one. */
export class Stale extends Error {}

/** Ask the server; `progress(share, shown)` is told how far it is. The promise has `cancel()`. */
export function ask(name, params = {}, { latest = false, progress = null } = {}) {
  const seq = next++;
  const answer = new Promise((resolve, reject) => {
    if (!socket || socket.readyState !== WebSocket.OPEN) {
      reject(new Lost());
      return;
    }
    waiting.set(seq, { resolve, reject, progress });
    send({ kind: "call", seq, name, params, latest, language: language() });
  });
  answer.cancel = () => send({ kind: "cancel", seq });
  return answer;
}

/** Ask again and again, as fast as answers come: only the newest question is kept waiting. */
export function drag(name, params, answered) {
  const under = drags.get(name);
  if (under) {
    under.next = [params, answered];
    return;
  }
  const state = { next: null };
  drags.set(name, state);
  ask(name, params, { latest: true })
    .then(
      (found) => answered(found, null),
      (error) => answered(null, error),
    )
    .finally(() => {
      if (drags.get(name) === state) drags.delete(name);
      if (state.next) drag(name, ...state.next);
    });
}

/** Be told of every frame of a topic; answers with the function that ends it. */
export function watch(topic, listener) {
  watchers.set(topic, listener);
  announce();
  return () => {
    if (watchers.get(topic) === listener) watchers.delete(topic);
    announce();
  };
}

function announce() {
  // Nobody looks at a hidden page: it is sent nothing.
  send({ kind: "watch", topics: document.hidden ? [] : [...watchers.keys()] });
}

function send(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function receive(data) {
  if (typeof data !== "string") {
    const length = new DataView(data).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const found = { ...head.data, shape: head.shape, floats: new Float32Array(data, 4 + length) };
    if (head.kind === "reply") settle({ ...head, result: found });
    else watchers.get(head.topic)?.(found);
    return;
  }
  const message = JSON.parse(data);
  if (message.kind === "frame") watchers.get(message.topic)?.(message.data);
  else if (message.kind === "progress") waiting.get(message.seq)?.progress?.(message.share, message.shown);
  else if (message.kind === "reply") settle(message);
}

function settle(message) {
  const one = waiting.get(message.seq);
  waiting.delete(message.seq);
  if (!one) return;
  if (message.stale) one.reject(new Stale());
  else if (message.error) one.reject(new Refused(message.error));
  else one.resolve(message.result);
}
