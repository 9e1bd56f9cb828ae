// A confusion matrix: a row for each true class, a column for each answer, mistakes the stronger the more there are.

import { h, table } from "/web/dom.js";

const MOST_CLASSES = 40;

/** A card with a matrix; `difference` where its numbers are one run's minus another's. */
export function confusionCard(title, { classes, counts }, difference, say) {
  const many = classes.length > MOST_CLASSES;
  return h(
    "section",
    { class: many ? "card" : "card confusion" },
    h("h2", {}, title),
    many ? worst(classes, counts, say) : matrix(classes, counts, difference, say),
  );
}

function matrix(classes, counts, difference, say) {
  const wrong = counts.flatMap((row, i) => row.filter((_, j) => i !== j).map(Math.abs));
  const most = Math.max(1, ...wrong);
  const made = table(
    [say("runs.true_class"), ...classes],
    counts.map((row, i) => [classes[i], ...row.map((count, j) => h(i === j ? "b" : "span", {}, signed(count, difference)))]),
    { caption: say(difference ? "runs.rows_difference" : "runs.rows_true") },
  );
  [...made.querySelectorAll("tbody tr")].forEach((row, i) =>
    [...row.querySelectorAll("td")].forEach((place, j) => {
      if (i === j || !counts[i][j]) return;
      const share = Math.round(12 + (40 * Math.abs(counts[i][j])) / most);
      const ink = counts[i][j] > 0 ? "--gradient" : "--value";
      place.style.setProperty("background", `color-mix(in srgb, var(${ink}) ${share}%, transparent)`);
    }),
  );
  return made;
}

/** Of many classes the most frequent mistakes, as a list. */
function worst(classes, counts, say) {
  const found = counts.flatMap((row, i) => row.map((count, j) => ({ count, i, j })));
  const mistakes = found.filter((one) => one.i !== one.j && one.count);
  mistakes.sort((a, b) => Math.abs(b.count) - Math.abs(a.count));
  return table(
    [say("runs.true_one"), say("runs.answered"), say("runs.times")],
    mistakes.slice(0, MOST_CLASSES).map((one) => [classes[one.i], classes[one.j], signed(one.count, false)]),
    { caption: say("runs.worst", { count: MOST_CLASSES }) },
  );
}

function signed(count, difference) {
  if (!count) return "·";
  const text = String(Math.abs(count));
  if (count < 0) return `−${text}`;
  return difference ? `+${text}` : text;
}
