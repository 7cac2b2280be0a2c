import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TensorOf, TokenizeStep } from "@modulehub/core";
import { describe, expect, test } from "vitest";
import { MAX_TEXT_LENGTH, MAX_TOKENS, tokenize } from "./tokenize.ts";
import { parseTokenizer } from "./tokenizer.ts";

interface Case {
  text: string;
  ids: number[];
}

interface Batch {
  maxLength: number;
  texts: string[];
  ids: number[][];
  mask: number[][];
  types: number[][];
}

const FIXTURES = join(import.meta.dirname, "fixtures");
const read = (name: string) => readFileSync(join(FIXTURES, name), "utf8");
const fixture = (kind: string) => parseTokenizer(read(`${kind}.tokenizer.json`));

/** Ids from the reference library; the file names its version, make-tokenizers.py is how it was made. */
const EXPECTED: { tokenizers: Record<string, Case[]>; batches: Record<string, Batch> } = JSON.parse(
  read("expected-ids.json"),
);
const KINDS = ["wordpiece", "byte-level-bpe", "unigram"];

const step: TokenizeStep = { from: "text", tokenizer: "tokenizer.json", as: "tokens" };
const texts = (...data: string[]): TensorOf<"string"> => ({ dtype: "string", shape: [data.length], data });
const rows = ({ data, shape }: TensorOf<"int64">) =>
  Array.from({ length: shape[0]! }, (_, row) =>
    Array.from(data.subarray(row * shape[1]!, (row + 1) * shape[1]!), Number),
  );

describe.each(KINDS)("%s", (kind) => {
  const tokenizer = fixture(kind);

  test("gives the ids of the reference library, text by text", () => {
    for (const { text, ids } of EXPECTED.tokenizers[kind]!) {
      const tokens = tokenize(step, tokenizer, texts(text));
      expect({ text, ids: rows(tokens.ids)[0] }).toEqual({ text, ids });
    }
  });

  test("cuts and pads a batch as the reference library does, and says what it cut", () => {
    const { maxLength, ...batch } = EXPECTED.batches[kind]!;
    const tokens = tokenize(step, tokenizer, texts(...batch.texts), maxLength);
    expect(rows(tokens.ids)).toEqual(batch.ids);
    expect(rows(tokens.mask)).toEqual(batch.mask);
    expect(rows(tokens.types)).toEqual(batch.types);
    const special = tokenizer.before.length + tokenizer.after.length;
    const long = EXPECTED.tokenizers[kind]!.flatMap(({ ids }, item) =>
      ids.length > maxLength
        ? [{ input: "text", item, kept: maxLength - special, of: ids.length - special }]
        : [],
    );
    expect(tokens.truncated).toEqual(long);
  });

  test("tells its kind without model.type, as older files are written", () => {
    const file = JSON.parse(read(`${kind}.tokenizer.json`));
    delete file.model.type;
    const [, , , { text, ids }] = EXPECTED.tokenizers[kind]! as [Case, Case, Case, Case];
    const tokens = tokenize(step, parseTokenizer(JSON.stringify(file)), texts(text));
    expect(rows(tokens.ids)).toEqual([ids]);
  });
});

test("no texts give tensors without rows", () => {
  const tokens = tokenize(step, fixture("wordpiece"), texts());
  expect(tokens.ids.shape).toEqual([0, 0]);
  expect(tokens.mask.shape).toEqual([0, 0]);
});

test("special tokens are left out where the step says so", () => {
  const { ids } = tokenize({ ...step, addSpecialTokens: false }, fixture("wordpiece"), texts("the harbour"));
  const [[, ...whole]] = rows(tokenize(step, fixture("wordpiece"), texts("the harbour")).ids) as [number[]];
  expect(rows(ids)).toEqual([whole.slice(0, -1)]);
});

test("a text that is too long is refused where the step says so", () => {
  const refuse: TokenizeStep = { ...step, tooLong: "refuse" };
  const input = texts("short", "the harbour wakes before the town does");
  expect(() => tokenize(refuse, fixture("wordpiece"), input, 6)).toThrow(
    expect.objectContaining({ code: "text-too-long", message: expect.stringContaining("text[1]") }),
  );
});

test("a limit below the number of special tokens is the manifest's fault", () => {
  expect(() => tokenize(step, fixture("wordpiece"), texts("a"), 1)).toThrow(
    expect.objectContaining({ code: "manifest-mismatch" }),
  );
});

test("texts without any limit of the module's are still bounded, in tokens and in characters", () => {
  const words = "a ".repeat(MAX_TOKENS);
  expect(() => tokenize(step, fixture("wordpiece"), texts(words))).toThrow(
    expect.objectContaining({ code: "text-too-long" }),
  );
  expect(() => tokenize(step, fixture("wordpiece"), texts("a".repeat(MAX_TEXT_LENGTH + 1)), 12)).toThrow(
    expect.objectContaining({ code: "text-too-long" }),
  );
});

test.each([
  ["no JSON", "{"],
  ["a list", "[]"],
  ["without a model", "{}"],
  ["without a vocabulary", '{"model":{"type":"BPE","merges":[]}}'],
  ["of a model we don't know", '{"model":{"type":"Morse","vocab":{}}}'],
  ["with a list for WordPiece", '{"model":{"type":"WordPiece","vocab":[["a",0]]}}'],
  ["BPE without merges", '{"model":{"type":"BPE","vocab":{"a":0}}}'],
  ["with added tokens that are none", '{"model":{"type":"WordPiece","vocab":{"a":0}},"added_tokens":5}'],
  [
    "with a part we don't know",
    '{"model":{"type":"WordPiece","unk_token":"a","vocab":{"a":0}},"pre_tokenizer":{"type":"Sundial"}}',
  ],
])("a tokenizer.json that is %s is an invalid asset", (_, json) => {
  expect(() => parseTokenizer(json)).toThrow(expect.objectContaining({ code: "asset-invalid" }));
});

test("ids that are no integers are an invalid asset, not a crash", () => {
  const model = { type: "WordPiece", unk_token: "a", vocab: { a: 0, b: 1.5 } };
  const tokenizer = parseTokenizer(JSON.stringify({ model }));
  expect(() => tokenizer.encode("b")).toThrow(expect.objectContaining({ code: "asset-invalid" }));
});

/** A folder of real tokenizers with reference ids, each `{name}/tokenizer.json` and `expected-ids.json`. */
const DATA = process.env.MODULEHUB_TEST_DATA;
if (DATA === undefined)
  console.info("Real tokenizers are not checked: MODULEHUB_TEST_DATA names no folder with tokenizers/.");

test
  .skipIf(DATA === undefined)
  .each(["all-MiniLM-L6-v2", "bert-base-uncased", "gpt2", "roberta-base", "t5-small"])(
  "the tokenizer of %s gives its reference ids",
  (name) => {
    const file = (path: string) => join(DATA ?? "", "tokenizers", name, path);
    const text = (path: string) => (existsSync(file(path)) ? readFileSync(file(path), "utf8") : undefined);
    const tokenizer = parseTokenizer(text("tokenizer.json") ?? "", text("tokenizer_config.json"));
    const cases: Case[] = JSON.parse(text("expected-ids.json") ?? "");
    for (const { text, ids } of cases)
      expect({ text, ids: rows(tokenize(step, tokenizer, texts(text)).ids)[0] }).toEqual({ text, ids });
  },
);
