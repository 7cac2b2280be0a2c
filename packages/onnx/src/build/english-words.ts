/**
 * What counts as a word once a text is lower case and its punctuation is dropped. The vectors of GloVe are of
 * texts cut by the Stanford tokenizer: "it's" is "it" and "'s" there, "don't" is "do" and "n't". The pattern
 * (RE2: no look-ahead, first alternative wins) takes, in this order: numbers with their commas and points; the
 * endings 's, 're, 've, 'll, 'd, 'm, as words of their own; letters and digits, with a 't at their end.
 */
export const WORD_PATTERN = String.raw`[0-9]+(?:[.,][0-9]+)+|'(?:s|re|ve|ll|d|m)\b|[\p{L}\p{N}\p{M}]+(?:'t\b)?`;

const NEGATED = [
  "are",
  "could",
  "did",
  "do",
  "does",
  "had",
  "has",
  "have",
  "is",
  "must",
  "need",
  "should",
  "was",
  "were",
  "would",
];

/** Negations come out of the pattern as one word, whose vector is the mean of the two that the Stanford tokenizer makes of it. */
export const CONTRACTIONS: ReadonlyMap<string, readonly string[]> = new Map([
  ...NEGATED.map((verb): [string, string[]] => [`${verb}n't`, [verb, "n't"]]),
  ["can't", ["can", "n't"]],
  ["won't", ["will", "n't"]],
  ["ain't", ["is", "n't"]],
]);
