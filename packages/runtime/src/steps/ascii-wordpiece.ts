/** The parts of a `tokenizer.json` that decide how BERT's tokenizer treats plain text. */
export interface BertFile {
  normalizer?: unknown;
  pre_tokenizer?: unknown;
  model: Record<string, unknown>;
  added_tokens?: unknown;
}

/** Added tokens, such as `[MASK]`, are looked for one after the other. */
const MOST_ADDED_TOKENS = 16;

/** By code of an ASCII character. What isn't white space, punctuation or a word's is left to the library. */
type Kind = "space" | "punctuation" | "word" | "other";
const KINDS: readonly Kind[] = Array.from({ length: 128 }, (_, code) => {
  if (code === 32 || code === 9 || code === 10 || code === 13) return "space";
  if (code < 32 || code === 127) return "other";
  return /[0-9A-Za-z]/.test(String.fromCharCode(code)) ? "word" : "punctuation";
});

/**
 * BERT's WordPiece for texts of plain ASCII, in a tenth of the library's time: those are most, and nothing of Unicode's
 * rules is needed for them. The ids are the library's (tests compare them); a text that needs more gives undefined.
 *
 * @param unknown the id of the unknown token
 * @returns undefined where the file is another tokenizer
 */
export function asciiWordPiece(
  file: BertFile,
  unknown: number | undefined,
): ((text: string) => number[] | undefined) | undefined {
  const { normalizer, pre_tokenizer: splitter, model } = file;
  const { vocab, continuing_subword_prefix: prefix, max_input_chars_per_word: longest = 100 } = model;
  const added = addedTokens(file.added_tokens);
  if (!isOfType(normalizer, "BertNormalizer") || !isOfType(splitter, "BertPreTokenizer")) return undefined;
  if (model.type !== "WordPiece" || model.fuse_unk === true || !isRecord(vocab) || unknown === undefined)
    return undefined;
  if (typeof prefix !== "string" || typeof longest !== "number" || added === undefined) return undefined;
  const ids = new Map<string, number>();
  const later = new Map<string, number>();
  for (const [token, id] of Object.entries(vocab)) {
    if (typeof id !== "number") return undefined;
    // Only ASCII can match; a special token stands for itself and never for a piece of a text.
    if (!/^[!-~]+$/.test(token)) continue;
    ids.set(token, id);
    if (token.startsWith(prefix)) later.set(token.slice(prefix.length), id);
  }
  const lowercase = normalizer.lowercase === true;
  const pieces = { ids, later, unknown, longest };
  return (given) => {
    const text = lowercase ? given.toLowerCase() : given;
    if (added.some((token) => text.includes(token))) return undefined;
    const found: number[] = [];
    let begin = -1;
    for (let at = 0; at < text.length; at++) {
      const kind = KINDS[text.charCodeAt(at)] ?? "other";
      if (kind === "word") {
        if (begin < 0) begin = at;
        continue;
      }
      if (kind === "other") return undefined;
      if (begin >= 0) pushPieces(text.slice(begin, at), pieces, found);
      begin = -1;
      if (kind === "punctuation") found.push(ids.get(text[at]!) ?? unknown);
    }
    if (begin >= 0) pushPieces(text.slice(begin), pieces, found);
    return found;
  };
}

interface Pieces {
  /** Ids of what a word may begin with, and of what may go on with it. */
  ids: ReadonlyMap<string, number>;
  later: ReadonlyMap<string, number>;
  unknown: number;
  longest: number;
}

/** The longest piece first, then the longest that goes on, to the word's end; a word that isn't covered is unknown. */
function pushPieces(word: string, { ids, later, unknown, longest }: Pieces, found: number[]): void {
  const before = found.length;
  let begin = word.length > longest ? word.length : 0;
  if (begin > 0) found.push(unknown);
  while (begin < word.length) {
    const pieces = begin === 0 ? ids : later;
    let end = word.length;
    let id = pieces.get(begin === 0 ? word : word.slice(begin));
    while (id === undefined && --end > begin) id = pieces.get(word.slice(begin, end));
    if (id === undefined) {
      found.length = before;
      found.push(unknown);
      return;
    }
    found.push(id);
    begin = end;
  }
}

/** What added tokens are in lower case too, for some are looked for in normalised text; undefined where they are many. */
function addedTokens(added: unknown = []): string[] | undefined {
  if (!Array.isArray(added) || added.length > MOST_ADDED_TOKENS) return undefined;
  const contents = added.map((token: unknown) => (isRecord(token) ? token.content : undefined));
  if (!contents.every((content) => typeof content === "string")) return undefined;
  return [...new Set(contents.flatMap((content) => [content, content.toLowerCase()]))];
}

const isOfType = (part: unknown, type: string): part is Record<string, unknown> =>
  isRecord(part) && part.type === type;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
