import { Tokenizer as LibraryTokenizer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { asciiWordPiece } from "./ascii-wordpiece.ts";

/* Expected ids come from @huggingface/tokenizers, which has another implementation of the same rules. */

const PIECES = ["a", "b", "ab", "abc", "hello", "un", "want", "1", "99", ".", "-", "'", "$", "\u00e9"];
const LATER = ["##a", "##b", "##ed", "##99", "##c", "##want", "##x"];

function bert(lowercase: boolean) {
  const tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...PIECES, ...LATER];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return {
    version: "1.0",
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: null,
    decoder: null,
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 20,
      vocab,
    },
    added_tokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map((content) => ({
      id: vocab[content]!,
      content,
      special: true,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    })),
  };
}

const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...PIECES,
        ...LATER,
        " ",
        "  ",
        "\t",
        "\n",
        "HELLO",
        "Unwanted",
        "[MASK]",
        "[mask]",
        "##",
      ),
      fc.string({ maxLength: 4 }),
      fc.string({ unit: "binary", maxLength: 3 }),
      fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 15, maxLength: 25 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));

test.each([true, false])("plain texts get the ids that the library gives (lowercase %s)", (lowercase) => {
  const file = bert(lowercase);
  const library = new LibraryTokenizer(file, {});
  const encode = asciiWordPiece(file, 1)!;
  let plain = 0;
  fc.assert(
    fc.property(text, (given) => {
      const ids = encode(given);
      if (ids === undefined) return;
      plain += 1;
      expect(ids).toEqual(library.encode(given, { add_special_tokens: false }).ids);
    }),
    { numRuns: 3000 },
  );
  expect(plain).toBeGreaterThan(500);
});

test("what needs the rules of Unicode, or holds an added token, is left to the library", () => {
  const encode = asciiWordPiece(bert(true), 1)!;
  for (const given of ["caf\u00e9", "a \u5b57", "a [MASK] b", "[mask]", "a\u0000b", "a\u007f"])
    expect(encode(given)).toBeUndefined();
  expect(encode("Hello, ab.")).toHaveLength(4);
});

test("other tokenizers are left to the library", () => {
  const file = bert(true);
  expect(asciiWordPiece({ ...file, normalizer: null }, 1)).toBeUndefined();
  expect(asciiWordPiece({ ...file, pre_tokenizer: { type: "Whitespace" } }, 1)).toBeUndefined();
  expect(asciiWordPiece({ ...file, model: { ...file.model, type: "BPE" } }, 1)).toBeUndefined();
  expect(asciiWordPiece(file, undefined)).toBeUndefined();
});
