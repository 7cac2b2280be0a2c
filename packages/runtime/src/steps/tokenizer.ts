import { Tokenizer as LibraryTokenizer } from "@huggingface/tokenizers";
import { problem } from "@modulehub/core";
import { asciiWordPiece } from "./ascii-wordpiece.ts";

/** Turns one text into ids. Everything else (padding, limits, tensors) is the tokenize step's. */
export interface Tokenizer {
  /** The ids of a text without special tokens. */
  encode(text: string): number[];
  /** The special tokens that stand before and after a text. */
  readonly before: readonly SpecialToken[];
  readonly after: readonly SpecialToken[];
  /** The type id of a text's own tokens. */
  readonly typeId: number;
  readonly padId: number;
  readonly padTypeId: number;
  /** `truncation.max_length` of tokenizer.json. */
  readonly maxLength: number | undefined;
}

export interface SpecialToken {
  id: number;
  typeId: number;
}

/**
 * A tokenizer from the text of a `tokenizer.json` and, where there is one, `tokenizer_config.json`. Knows the
 * models WordPiece, BPE and Unigram, also of files without `model.type`: then merges tell BPE, a list as
 * vocabulary Unigram. Throws `asset-invalid`.
 *
 * The patterns in a tokenizer.json come from its author: a bad one can take for ever on some text, in
 * `encode`. Hostile files are to be used where they can be ended.
 */
export function parseTokenizer(json: string, configJson?: string): Tokenizer {
  const file = parseObject(json, "tokenizer.json");
  const config = configJson === undefined ? {} : parseObject(configJson, "tokenizer_config.json");
  const model = object(file.model);
  if (!model) throw invalid("it has no model");
  const type = modelType(model);
  let library: Library;
  try {
    library = new LibraryTokenizer(
      {
        decoder: null,
        post_processor: null,
        pre_tokenizer: null,
        normalizer: null,
        added_tokens: [],
        ...file,
        model: { ...model, type },
      },
      textTokens(config),
    );
  } catch (cause) {
    throw invalid("the tokenizer's parts can't be used", cause);
  }
  const quick = usesPlainText(config)
    ? asciiWordPiece({ ...file, model: { ...model, type } }, unknownId(library, model))
    : undefined;
  const encode = (text: string): number[] => {
    const plain = quick?.(text);
    if (plain) return plain;
    let ids: (number | undefined)[];
    try {
      ids = library.encode(text, { add_special_tokens: false }).ids;
    } catch (cause) {
      throw invalid("it fails on a text", cause);
    }
    // Characters that neither the vocabulary nor an unknown token covers are left out, as the reference does.
    const known = ids.filter((id) => id !== undefined && id !== null);
    if (!known.every((id) => Number.isSafeInteger(id))) throw invalid("it gives ids that are no integers");
    return known;
  };
  const padding = object(file.padding);
  const truncation = object(file.truncation);
  return {
    encode,
    ...specialTokens(library),
    padId: integer(padding?.pad_id) ?? padTokenId(library, config) ?? 0,
    padTypeId: integer(padding?.pad_type_id) ?? 0,
    maxLength: integer(truncation?.max_length),
  };
}

type Json = Record<string, unknown>;

/** What is used of the library, whose own declarations import each other in a way that Node's resolution can't follow. */
interface Library {
  encode(
    text: string,
    options?: { add_special_tokens?: boolean; return_token_type_ids?: true },
  ): { ids: (number | undefined)[]; tokens: string[]; token_type_ids?: number[] };
  token_to_id(token: string): number | undefined;
}

function parseObject(json: string, name: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw problem("asset-invalid", `${name} is not JSON.`, { cause });
  }
  const found = object(value);
  if (!found) throw problem("asset-invalid", `${name} is not a JSON object.`);
  return found;
}

const object = (value: unknown): Json | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;

const integer = (value: unknown): number | undefined =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;

const invalid = (reason: string, cause?: unknown) =>
  problem("asset-invalid", `tokenizer.json can't be used: ${reason}.`, { cause });

function modelType(model: Json): string {
  const { vocab } = model;
  const listed = Array.isArray(vocab);
  if (!listed && !object(vocab)) throw invalid("its model has no vocabulary");
  const type =
    model.type ??
    (listed
      ? "Unigram"
      : "merges" in model
        ? "BPE"
        : "max_input_chars_per_word" in model
          ? "WordPiece"
          : undefined);
  if (type !== "WordPiece" && type !== "BPE" && type !== "Unigram")
    throw invalid("its model is none of WordPiece, BPE and Unigram");
  if (listed !== (type === "Unigram")) throw invalid(`its vocabulary is not that of a ${type} model`);
  if (type === "BPE" && !Array.isArray(model.merges)) throw invalid("its BPE model has no merges");
  return type;
}

/** Whether nothing but tokenizer.json decides what becomes of a text: older configurations have rules of their own. */
const usesPlainText = (config: Json): boolean =>
  config.remove_space !== true && config.do_lowercase_and_remove_accent !== true;

function unknownId(library: Library, { unk_token: token }: Json): number | undefined {
  return typeof token === "string" ? library.token_to_id(token) : undefined;
}

/** The library reads names of special tokens as plain strings; older files hold them as objects. */
function textTokens(config: Json): Json {
  const named = Object.entries(config).map(([key, value]) => {
    const content = key.endsWith("_token") ? object(value)?.content : undefined;
    return [key, content ?? value] as const;
  });
  return Object.fromEntries(named);
}

function padTokenId(library: Library, config: Json): number | undefined {
  const named = textTokens(config).pad_token;
  for (const token of [named, "[PAD]", "<pad>"]) {
    const id = typeof token === "string" ? library.token_to_id(token) : undefined;
    if (id !== undefined) return id;
  }
  return undefined;
}

/** Learns where special tokens go by encoding a short text with and without them. */
function specialTokens(library: Library): Pick<Tokenizer, "before" | "after" | "typeId"> {
  try {
    const bare = library.encode("a", { add_special_tokens: false }).tokens;
    const whole = library.encode("a", { return_token_type_ids: true });
    const extra = whole.tokens.length - bare.length;
    const special = (index: number): SpecialToken => {
      const id = whole.ids[index];
      if (id === undefined)
        throw new Error(`The special token ${whole.tokens[index]} is not in the vocabulary.`);
      return { id, typeId: whole.token_type_ids?.[index] ?? 0 };
    };
    const range = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => special(from + i));
    for (let before = 0; before <= extra; before++) {
      if (!bare.every((token, index) => whole.tokens[before + index] === token)) continue;
      return {
        before: range(0, before),
        after: range(before + bare.length, whole.tokens.length),
        typeId: (bare.length > 0 && whole.token_type_ids?.[before]) || 0,
      };
    }
  } catch (cause) {
    throw invalid("it fails on a text of one letter", cause);
  }
  throw invalid("its post-processor changes the text's own tokens");
}
