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

/**
 * What stands for a word of the pattern where the vectors lack it; the first choice whose words they have. A
 * negation is the mean of the two words that the Stanford tokenizer makes of it, or of their full forms. An ending
 * is its full form, and 's, which may be "is", "has" or a possessive, counts for nothing.
 */
export const CONTRACTIONS: ReadonlyMap<string, readonly (readonly string[])[]> = new Map([
  ...NEGATED.map((verb): [string, string[][]] => [`${verb}n't`, negation(verb)]),
  ["can't", [["can", "n't"], ["cannot"], ["can", "not"]]],
  ["won't", negation("will")],
  ["ain't", negation("is")],
  ["'s", [[]]],
  ["'re", [["are"]]],
  ["'ve", [["have"]]],
  ["'ll", [["will"]]],
  ["'d", [["would"]]],
  ["'m", [["am"]]],
]);

function negation(verb: string): string[][] {
  return [
    [verb, "n't"],
    [verb, "not"],
  ];
}
