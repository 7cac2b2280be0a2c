import { expect, test } from "vitest";
import { areQuickTexts, isQuickTokenizer } from "./quick-tokenizer.ts";

const bert = {
  normalizer: { type: "BertNormalizer" },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: { type: "TemplateProcessing" },
  decoder: { type: "WordPiece" },
  model: { type: "WordPiece", unk_token: "[UNK]", vocab: { "[UNK]": 0 } },
  added_tokens: [{ content: "[UNK]" }],
};

test("BERT's tokenizer takes a time bounded by its texts", () => {
  expect(isQuickTokenizer(JSON.stringify(bert))).toBe(true);
});

test.each([
  ["a pattern of its author's", { pre_tokenizer: { type: "Split", pattern: { Regex: "(a+)+$" } } }],
  ["a pattern inside a sequence", { normalizer: { type: "Sequence", normalizers: [] } }],
  ["a pattern after the model", { decoder: { type: "Replace", pattern: { Regex: "(a+)+$" } } }],
  ["another model", { model: { type: "BPE", vocab: {}, merges: [] } }],
  ["words without an end", { model: { ...bert.model, max_input_chars_per_word: 100_000 } }],
  ["no splitting into words", { pre_tokenizer: null }],
  ["very many added tokens", { added_tokens: Array.from({ length: 2000 }, () => ({ content: "x" })) }],
  ["a very long added token", { added_tokens: [{ content: "x".repeat(1000) }] }],
])("%s isn't known to be quick", (_what, parts) => {
  expect(isQuickTokenizer(JSON.stringify({ ...bert, ...parts }))).toBe(false);
});

test("a file that is no tokenizer, or large, isn't known to be quick", () => {
  expect(isQuickTokenizer("{")).toBe(false);
  expect(isQuickTokenizer("[]")).toBe(false);
  expect(isQuickTokenizer(JSON.stringify({ ...bert, more: "x".repeat(2 ** 20) }))).toBe(false);
});

test("texts are quick by their length together and their longest word", () => {
  expect(areQuickTexts(["a few words", "and some more"])).toBe(true);
  expect(areQuickTexts(Array.from({ length: 200 }, () => "a few words more"))).toBe(false);
  expect(areQuickTexts(["x".repeat(26)])).toBe(false);
});
