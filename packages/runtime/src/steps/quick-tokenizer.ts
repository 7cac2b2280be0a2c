/** Larger files take too long to be parsed beside other work: one of 466 KB takes 25 ms. */
const MOST_BYTES = 1_048_576;
const MOST_ADDED_TOKENS = 1024;
const LONGEST_ADDED_TOKEN = 64;

/** Parts whose time grows with the text's length and nothing else. None of them takes a pattern from the file. */
const KNOWN = {
  normalizer: new Set(["BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"]),
  pre_tokenizer: new Set(["BertPreTokenizer", "Whitespace", "WhitespaceSplit"]),
  post_processor: new Set(["BertProcessing", "TemplateProcessing"]),
  decoder: new Set(["WordPiece"]),
};

/** Longest word that a WordPiece model looks up, for whose characters it tries every piece. */
const MOST_WORD_CHARACTERS = 100;

/**
 * Whether the time that a tokenizer takes is known to be bounded by the length of its texts: BERT's WordPiece, built of
 * parts that take no pattern from the file. Where it is, `areQuickTexts` says which texts take a few milliseconds at most.
 *
 * @param json a `tokenizer.json`
 */
export function isQuickTokenizer(json: string): boolean {
  if (json.length > MOST_BYTES) return false;
  let file: unknown;
  try {
    file = JSON.parse(json);
  } catch {
    // What is wrong with it is said by who uses it.
    return false;
  }
  if (!isObject(file)) return false;
  for (const [part, types] of Object.entries(KNOWN)) {
    const found = file[part];
    if (found === null || found === undefined) continue;
    if (!isObject(found) || typeof found.type !== "string" || !types.has(found.type)) return false;
  }
  const { model, added_tokens: added = [] } = file;
  if (!isObject(model) || model.type !== "WordPiece" || !isObject(file.pre_tokenizer)) return false;
  const { max_input_chars_per_word: longest = MOST_WORD_CHARACTERS } = model;
  if (typeof longest !== "number" || longest > MOST_WORD_CHARACTERS) return false;
  return Array.isArray(added) && added.length <= MOST_ADDED_TOKENS && added.every(isShortToken);
}

/** Characters that texts of one request may have together to count as quick. */
const QUICK_CHARACTERS = 2048;

/** A WordPiece model tries every piece of a word: a word's time grows with the cube of its length. */
const LONG_WORD = /\S{25}/;

/**
 * Whether a quick tokenizer takes a few milliseconds for these texts at the very most (2,048 characters of words that
 * no vocabulary has: 3 ms; a usual text of 200: 0.03).
 */
export function areQuickTexts(texts: readonly string[]): boolean {
  let characters = 0;
  for (const text of texts) characters += text.length;
  return characters <= QUICK_CHARACTERS && !texts.some((text) => LONG_WORD.test(text));
}

const isShortToken = (token: unknown): boolean =>
  isObject(token) && typeof token.content === "string" && token.content.length <= LONGEST_ADDED_TOKEN;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
