import { expect, test } from "vitest";
import { checkModel } from "../check-model.ts";
import { summarizeModel } from "../model-summary.ts";
import { numbers, runModel, texts } from "../test-runtime.ts";
import { murmur3 } from "./murmur3.ts";
import { buildTextEmbedding, type TextEmbeddingOptions } from "./text-embedding.ts";
import type { WordVectors } from "./word-vectors.ts";

/** 40 words; word i has the vector [i, 1, −i/2]. The last 10 % (w36 … w39) give way to two buckets. */
const WORDS = ["the", "cat", "do", "n't", "don", "it", "'s", "3.5", "äpfel"].concat(
  Array.from({ length: 31 }, (_, index) => `w${index + 9}`),
);
const vectorOf = (index: number): number[] => [index, 1, -index / 2];
const SOURCE: WordVectors = {
  words: WORDS,
  dimensions: 3,
  vectors: Float32Array.from(WORDS.flatMap((_, index) => vectorOf(index))),
};
const OPTIONS = { hashedShare: 0.1, buckets: 2, storage: "float32" } as const;

/** The same by arithmetic: sum of the words' vectors divided by the root of their number. */
function expected(words: string[]): number[] {
  const bucket = (word: string) => murmur3(Buffer.from(word)) % 2;
  const look = (word: string): number[] => {
    const index = WORDS.indexOf(word);
    if (index >= 0 && index < 36) return vectorOf(index);
    if (word === "don't") return mean([vectorOf(2), vectorOf(3)]);
    const mates = [36, 37, 38, 39].filter((other) => bucket(WORDS[other] ?? "") === bucket(word));
    return mean((mates.length > 0 ? mates : [36, 37, 38, 39]).map(vectorOf));
  };
  const sum = words.map(look).reduce((a, b) => a.map((value, i) => value + (b[i] ?? 0)), [0, 0, 0]);
  return sum.map((value) => value / Math.sqrt(Math.max(words.length, 1)));
}
const mean = (vectors: number[][]): number[] =>
  [0, 1, 2].map((i) => vectors.reduce((sum, v) => sum + (v[i] ?? 0), 0) / vectors.length);

async function embed(input: string[], options: TextEmbeddingOptions): Promise<number[][]> {
  const fetched = await runModel(buildTextEmbedding(SOURCE, options), { text: texts(input) });
  expect(fetched.default?.shape).toEqual([input.length, 3]);
  const flat = numbers(fetched.default);
  return input.map((_, row) => flat.slice(row * 3, row * 3 + 3));
}

function expectNear(rows: number[][], words: string[][], digits = 4): void {
  rows.forEach((row, index) => {
    row.forEach((value, i) => {
      expect(value).toBeCloseTo(expected(words[index] ?? [])[i] ?? Number.NaN, digits);
    });
  });
}

test("texts are sums of their words' vectors over the root of their number", async () => {
  const input = ["the cat", "cat", "w36 w37 w38 w39", "unknown the", "The cat."];
  expectNear(
    await embed(input, OPTIONS),
    input.map((text) => text.split(" ")),
  );
});

test("an empty text gives zeros, alone and among others", async () => {
  expect(await embed(["", " "], OPTIONS)).toEqual([
    [0, 0, 0],
    [0, 0, 0],
  ]);
  expect((await embed(["cat", ""], OPTIONS))[1]).toEqual([0, 0, 0]);
  expect(await embed(["", "...!"], { ...OPTIONS, normalize: true })).toEqual([
    [0, 0, 0],
    [0, 0, 0],
  ]);
});

test("a text's vector does not depend on its mates", async () => {
  const [alone] = await embed(["the cat w12"], OPTIONS);
  const [among] = await embed(["the cat w12", "w9 ".repeat(50), ""], OPTIONS);
  expect(among).toEqual(alone);
});

test("the normalising form drops case and punctuation, and cuts words as the vectors' makers did", async () => {
  const input = [
    "The CAT!",
    "it's (the) cat...",
    "DON'T, don.",
    "w12-w13/w14",
    "3.5 cats",
    "Äpfel äpfel",
    "\tthe\ncat\u00a0w9",
  ];
  const words = [
    ["the", "cat"],
    ["it", "'s", "the", "cat"],
    ["don't", "don"],
    ["w12", "w13", "w14"],
    ["3.5", "cats"],
    // Only ASCII letters get lower case: the runtime's "C" locale knows no others.
    ["Äpfel", "äpfel"],
    ["the", "cat", "w9"],
  ];
  expectNear(await embed(input, { ...OPTIONS, normalize: true }), words);
});

test("endings that the vectors lack are their full forms, and a possessive counts for nothing", async () => {
  const words = ["cat", "have", "not", "do", "w"];
  const source = {
    words,
    dimensions: 3,
    vectors: Float32Array.from(words.flatMap((_, index) => vectorOf(index + 1))),
  };
  const model = buildTextEmbedding(source, {
    normalize: true,
    hashedShare: 0,
    buckets: 1,
    storage: "float32",
  });
  const run = async (text: string) => numbers((await runModel(model, { text: texts([text]) })).default);
  expect(await run("cat's")).toEqual(vectorOf(1));
  expect(await run("'ve")).toEqual(vectorOf(2));
  expect(await run("Don't")).toEqual(mean([vectorOf(3), vectorOf(4)]));
});

test("the table as int8 is within half a step of the scale of each word", async () => {
  const [row] = await embed(["w20"], { ...OPTIONS, storage: "int8" });
  vectorOf(20).forEach((value, i) => {
    expect(Math.abs((row?.[i] ?? 0) - value)).toBeLessThanOrEqual(20 / 127 / 2 + 1e-6);
  });
});

test("a bucket that no word falls into has the mean of all that gave way", async () => {
  const used = new Set([36, 37, 38, 39].map((index) => murmur3(Buffer.from(WORDS[index] ?? "")) % 50));
  const stray = Array.from({ length: 500 }, (_, index) => `stray${index}`).find(
    (word) => !used.has(murmur3(Buffer.from(word)) % 50),
  );
  const [row] = await embed([stray ?? ""], { ...OPTIONS, buckets: 50 });
  expect(row).toEqual([37.5, 1, -18.75]);
});

test("the graph passes the checks and says what it takes and gives", () => {
  for (const normalize of [false, true]) {
    const model = buildTextEmbedding(SOURCE, { normalize });
    expect(checkModel(model)).toEqual([]);
    const { inputs, outputs } = summarizeModel(model);
    expect([inputs, outputs]).toEqual([
      [{ name: "text", type: "string", shape: ["batch"] }],
      [{ name: "default", type: "float32", shape: ["batch", 3] }],
    ]);
  }
});

test("vectors that don't fit the words are refused", () => {
  expect(() => buildTextEmbedding({ words: ["a"], vectors: new Float32Array(3), dimensions: 2 })).toThrow(
    /don't fit 3 numbers/,
  );
  expect(() => buildTextEmbedding({ words: [], vectors: new Float32Array(0), dimensions: 2 })).toThrow(
    /0 words/,
  );
});
