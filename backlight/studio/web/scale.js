// Scales of charts: where a number lies on an axis, and which numbers are written beside it.

import { power, short } from "/web/number.js";

/** A linear or logarithmic scale of the numbers onto [from, to]; null where there is nothing. */
export function scale(numbers, from, to, log = false, zero = false) {
  const known = numbers.filter((one) => typeof one === "number" && Number.isFinite(one) && (!log || one > 0));
  if (!known.length) return null;
  let low = known.reduce((a, b) => Math.min(a, b));
  let high = known.reduce((a, b) => Math.max(a, b));
  if (log) return logarithmic(low, high, from, to);
  if (zero) low = Math.min(0, low);
  if (low === high) [low, high] = [low - (Math.abs(low) / 2 || 1), high + (Math.abs(high) / 2 || 1)];
  const step = spacing(high - low, Math.abs(to - from) / 48);
  const at = (value) => from + ((value - low) / (high - low)) * (to - from);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) {
    ticks.push({ at: at(k * step), text: short(Number((k * step).toPrecision(8))) });
  }
  return { at, ticks, back: (place) => low + ((place - from) / (to - from)) * (high - low), holds: () => true };
}

function logarithmic(low, high, from, to) {
  if (high / low < 3) [low, high] = [low / 2, high * 2];
  const [a, b] = [Math.log10(low), Math.log10(high)];
  const at = (value) => from + ((Math.log10(value) - a) / (b - a)) * (to - from);
  const each = Math.max(1, Math.ceil((b - a) / Math.max(2, Math.abs(to - from) / 45)));
  const ticks = [];
  for (let k = Math.ceil(a - 1e-9); k <= b + 1e-9; k += each) ticks.push({ at: at(10 ** k), text: power(k) });
  if (ticks.length < 2) {
    ticks.length = 0;
    for (const value of [low, Math.sqrt(low * high), high]) ticks.push({ at: at(value), text: short(value, 2) });
  }
  return {
    at,
    ticks,
    back: (place) => 10 ** (a + ((place - from) / (to - from)) * (b - a)),
    holds: (value) => value > 0,
  };
}

function spacing(span, most) {
  const rough = span / Math.max(2, most);
  const ten = 10 ** Math.floor(Math.log10(rough));
  return ten * ([1, 2, 2.5, 5, 10].find((one) => one * ten >= rough) ?? 10);
}
