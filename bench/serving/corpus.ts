import { readFileSync } from "node:fs";
import { normal, seededRandom } from "./statistics.ts";

/** A text, and how many tokens the model's tokenizer makes of it, with [CLS] and [SEP]. */
export interface CorpusText {
  text: string;
  tokens: number;
}

export const CORPUS_SIZE = 2000;
const LONGEST = 256;
const SHORTEST = 4;

/** Of the normal distribution whose exponential has a mean of 40; cut at 256 it is 39.5. */
const SPREAD = 0.8;
const CENTRE = Math.log(40) - SPREAD ** 2 / 2;

/**
 * Texts of real words, seeded: each word is one of the vocabulary's own, so that it is one token and lengths come
 * out as they were drawn. No two texts are the same.
 *
 * @param vocabulary a BERT vocabulary, one token a line
 */
export function makeCorpus(vocabulary: string, count = CORPUS_SIZE, seed = 20_240): CorpusText[] {
  const random = seededRandom(seed);
  return drawTexts(vocabulary, count, random, () =>
    Math.min(LONGEST, Math.max(SHORTEST, Math.round(Math.exp(CENTRE + SPREAD * normal(random))))),
  );
}

/** Texts of the lengths that `drawTokens` gives, [CLS] and [SEP] counted. */
export function drawTexts(
  vocabulary: string,
  count: number,
  random: () => number,
  drawTokens: () => number,
): CorpusText[] {
  const words = readFileSync(vocabulary, "utf8")
    .split("\n")
    .filter((word) => /^[a-z]{3,}$/.test(word));
  const seen = new Set<string>();
  const texts: CorpusText[] = [];
  while (texts.length < count) {
    const tokens = drawTokens();
    const text = Array.from({ length: tokens - 2 }, () => words[Math.floor(random() * words.length)]).join(
      " ",
    );
    if (seen.has(text)) continue;
    seen.add(text);
    texts.push({ text, tokens });
  }
  return texts;
}
