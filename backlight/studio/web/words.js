// The page's sentences, by their meaning, in the chosen language. They come from the server.

let words = {};
let chosen = "en";
let known = { en: "English" };

/** Load the sentences of a language; answers with its code. */
export async function speak(code) {
  const answer = await fetch(`/words/${encodeURIComponent(code)}.json`);
  if (!answer.ok) throw new Error(String(answer.status));
  const found = await answer.json();
  words = found.words;
  chosen = found.language;
  known = found.languages;
  document.documentElement.lang = chosen;
  localStorage.setItem("backlight.language", chosen);
  return chosen;
}

/** The language that was chosen before, or the browser's. */
export function wanted() {
  const kept = localStorage.getItem("backlight.language");
  return kept ?? ((navigator.language || "en").toLowerCase().startsWith("ko") ? "ko" : "en");
}

export const language = () => chosen;
export const languages = () => known;

/** The sentence of a meaning, with values in its places. */
export function say(meaning, values = {}) {
  const sentence = words[`studio.${meaning}`] ?? words[meaning] ?? meaning;
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Whether there is such a sentence. */
export const has = (meaning) => `studio.${meaning}` in words || meaning in words;
