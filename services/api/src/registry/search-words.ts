/**
 * Words as search knows them. Texts are cut into words here and not by PostgreSQL's parser, which takes names apart
 * as if they were hyphenated words, versions or paths of files; so queries and what they find are cut alike.
 */

/** Longer words are cut; PostgreSQL takes 2,046 bytes. */
const MAX_WORD = 64;
/** PostgreSQL keeps no higher position. */
const MAX_POSITION = 16_383;
/** Scripts that are written without spaces: every character is a word. */
const UNSPACED = "[\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}\\p{sc=Thai}]";
const WORD = new RegExp(`${UNSPACED}|[[\\p{L}\\p{M}\\p{N}]--${UNSPACED}]+`, "gv");

/** The words of a text in their order: letters and digits in lower case, without accents. */
export function wordsOf(text: string): string[] {
  const plain = text
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .normalize("NFKC")
    .toLowerCase();
  return (plain.match(WORD) ?? []).map((word) => word.slice(0, MAX_WORD).toWellFormed());
}

/** How much a word counts: `A` of a name, down to `D`. */
export type Weight = "A" | "B" | "C" | "D";

/** A tsvector's text: words with weights and positions, to be ranked by. Words hold nothing that needs quoting. */
export function rankedVector(texts: readonly [weight: Weight, text: string][]): string {
  const places = new Map<string, string[]>();
  let position = 0;
  for (const [weight, text] of texts)
    for (const word of wordsOf(text)) {
      position = Math.min(position + 1, MAX_POSITION);
      places.set(word, [...(places.get(word) ?? []), `${position}${weight}`]);
    }
  return [...places].map(([word, at]) => `'${word}':${at.slice(0, 16).join(",")}`).join(" ");
}

/**
 * A tsvector's text of words, to be found by; those of what a module is called a second time, marked, so that the
 * same index finds modules by these alone.
 */
export function foundVector(called: readonly string[], texts: readonly string[]): string {
  const names = called.flatMap(wordsOf);
  const all = [...names, ...texts.flatMap(wordsOf), ...names.map((word) => MARK + word)];
  return [...new Set(all)].map((word) => `'${word}'`).join(" ");
}

/** No word has it. */
const MARK = "@";

/**
 * A tsquery's text for what a person typed: all words, the last one also as the beginning of a longer one, once it
 * has three characters. Undefined where there are no words. With `called`, only what a module is called counts.
 */
export function queryOf(text: string, among: "all" | "called" = "all"): string | undefined {
  const words = wordsOf(text);
  const last = words.at(-1);
  if (last === undefined) return undefined;
  const mark = among === "called" ? MARK : "";
  return [...new Set(words)]
    .map((word) => `'${mark}${word}'${word === last && word.length >= 3 ? ":*" : ""}`)
    .join(" & ");
}
