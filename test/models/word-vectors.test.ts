import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cleanUp, modulehub, ROOT, type RunningHub, startHub, temporaryFolder } from "../e2e/hub.ts";
import { murmur3, WordArithmetic } from "./bucket-arithmetic.ts";
import { accepted, batchingOf, cosine, embed, infer, rowDifference } from "./hub-answers.ts";
import { readVectorFile } from "./mhwv-file.ts";

/** Real word vectors through the hub: the committed 20,000 words as the examples have them, and all 341,479. */

const PLAIN = "modulehub/nnlm-en-dim100";
const NORMALIZING = "modulehub/nnlm-en-dim100-with-normalization";
const COMMITTED = join(ROOT, "examples/word-vectors/glove-en-100d-20k.mhwv");
const FULL = join(ROOT, ".cache/word-vectors/glove-en-100d-full.mhwv");

/** Word, nearer, farther: by common sense, written down without looking at the vectors. */
const triples: [string, string, string][] = JSON.parse(
  readFileSync(join(ROOT, "examples/word-vectors/triples.json"), "utf8"),
).triples;

let hub: RunningHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(cleanUp);

async function failedTriples(module: string): Promise<string[]> {
  const words = [...new Set(triples.flat())];
  const vectors = await embed(hub, module, words);
  const vectorOf = new Map(words.map((word, index) => [word, vectors[index]!]));
  const near = (a: string, b: string) => cosine(vectorOf.get(a)!, vectorOf.get(b)!);
  return triples.filter(([word, nearer, farther]) => near(word, nearer) <= near(word, farther)).map(String);
}

/** Texts, and the words that the module without normalisation cuts them into: at spaces. */
const TEXTS = [
  "cat",
  "the cat sat on the mat",
  "A long sentence.",
  "single-word",
  "http://example.com",
  "",
  "  spaces   between  ",
  "naïve café",
  "the the the",
  `${"word ".repeat(300)}end`,
];
const cut = (text: string): string[] => text.split(" ").filter((word) => word !== "");

/** With normalisation: lower case and no punctuation, told by hand. */
const NORMALIZED: [text: string, words: string[]][] = [
  ["The CAT, the Dog!", ["the", "cat", "the", "dog"]],
  ["A long sentence.", ["a", "long", "sentence"]],
  ["single-word", ["single", "word"]],
  ["http://example.com", ["http", "example", "com"]],
  ["(What?) 1,000.50 euros…", ["what", "1,000.50", "euros"]],
  ["?!", []],
];

describe.each([PLAIN, NORMALIZING])("%s", (module) => {
  test("cat is nearer to dog than to parliament, and so on for the table of triples", async () => {
    expect(triples.length).toBeGreaterThanOrEqual(40);
    expect(await failedTriples(module)).toEqual([]);
  });

  test("inspection proves that texts batch", async () => {
    const { batching, evidence } = await batchingOf(hub, module);
    expect(batching, evidence.join("\n")).toEqual({ inputs: { text: 0 }, outputs: { default: 0 }, pad: {} });
  });

  test("texts sent at once get what each gets alone", async () => {
    const texts = Array.from({ length: 64 }, (_, index) =>
      cut(TEXTS.join(" "))
        .slice(index % 40, (index % 40) + ((index * 13) % 50))
        .join(" "),
    );
    const alone: number[][] = [];
    for (const text of texts) alone.push((await embed(hub, module, text))[0]!);
    const atOnce = await Promise.all(texts.map(async (text) => (await embed(hub, module, text))[0]!));
    for (const [index, text] of texts.entries())
      expect(rowDifference(alone[index]!, atOnce[index]!), text).toBeLessThanOrEqual(1e-6);
  });
});

test("murmur3 gives the published hashes", () => {
  const hash = (text: string) => Number(murmur3(new TextEncoder().encode(text)));
  // Wikipedia, "MurmurHash", Test vectors, seed 0.
  expect(hash("")).toBe(0);
  expect(hash("test")).toBe(0xba6bd213);
  expect(hash("Hello, world!")).toBe(0xc0363e43);
  expect(hash("The quick brown fox jumps over the lazy dog")).toBe(0x2e4ff723);
});

test("a text's vector is the sum of its words' over the square root of their number", async () => {
  const arithmetic = new WordArithmetic(readVectorFile(COMMITTED));
  expect(arithmetic.knows("cat")).toBe(true);
  expect(arithmetic.knows("http://example.com")).toBe(false);
  const { default: plain } = await infer(hub, PLAIN, { text: TEXTS });
  expect(plain).toMatchObject({ dtype: "float32", shape: [TEXTS.length, 100] });
  for (const [row, text] of TEXTS.entries())
    expect(
      rowDifference(arithmetic.vectorOf(cut(text)), plain!.data.slice(row * 100, row * 100 + 100)),
      text,
    ).toBeLessThan(1e-5);
  const { default: normalized } = await infer(hub, NORMALIZING, { text: NORMALIZED.map(([text]) => text) });
  for (const [row, [text, words]] of NORMALIZED.entries())
    expect(
      rowDifference(arithmetic.vectorOf(words), normalized!.data.slice(row * 100, row * 100 + 100)),
      text,
    ).toBeLessThan(1e-5);
});

describe.each([
  ["acme/words-full", []],
  ["acme/words-full-normalized", ["--normalize"]],
])("all words of the package as %s", (module, flags) => {
  beforeAll(async () => {
    if (!existsSync(FULL)) {
      const script = ["scripts/models/derive-word-vectors.ts", "--full"];
      const made = spawnSync(process.execPath, script, { cwd: ROOT, encoding: "utf8" });
      expect(made.status, made.stderr).toBe(0);
    }
    const folder = join(temporaryFolder(), "module");
    const args = ["build", "text-embedding", "--vectors", FULL, "--out", folder, "--json", ...flags];
    const built = await modulehub(hub, ...args);
    expect(built.code, built.stderr).toBe(0);
    expect(JSON.parse(built.stdout)).toMatchObject({ words: 341_479, dimensions: 100 });
    await accepted(hub, folder, module);
  });

  test("the triples hold, and texts batch", async () => {
    expect(await failedTriples(module)).toEqual([]);
    const { batching, evidence } = await batchingOf(hub, module);
    expect(batching, evidence.join("\n")).toEqual({ inputs: { text: 0 }, outputs: { default: 0 }, pad: {} });
  });

  test("a rare word has a vector of its own, and arithmetic gives the same", async () => {
    const arithmetic = new WordArithmetic(readVectorFile(FULL));
    const words = ["axolotl", "bibliophile", "zzzzqqqq"];
    expect(words.map((word) => arithmetic.knows(word))).toEqual([true, true, false]);
    const [vector] = await embed(hub, module, words.join(" "));
    expect(rowDifference(arithmetic.vectorOf(words), vector!)).toBeLessThan(1e-5);
  });
});
