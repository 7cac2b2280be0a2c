import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const triples: [string, string, string][] = JSON.parse(
  readFileSync(join(import.meta.dirname, "triples.json"), "utf8"),
).triples;

/** Reads the file by the table in SOURCE.md, apart from the hub's own reader. */
function readVectors(): Map<string, number[]> {
  const file = readFileSync(join(import.meta.dirname, "glove-en-100d-20k.mhwv"));
  let at = 12 + file.readUInt32LE(8);
  const header: { words: number; dimensions: number } = JSON.parse(file.toString("utf8", 12, at));
  const wordsEnd = at + 4 + file.readUInt32LE(at);
  const words = file.toString("utf8", at + 4, wordsEnd).split("\n");
  const rows = wordsEnd + 4 * header.words;
  at = rows + header.words * header.dimensions;
  expect(words.length).toBe(header.words);
  expect(at).toBe(file.length);
  return new Map(
    words.map((word, row) => {
      const scale = file.readFloatLE(wordsEnd + 4 * row);
      const start = rows + row * header.dimensions;
      return [
        word,
        [...new Int8Array(file.subarray(start, start + header.dimensions))].map((code) => code * scale),
      ];
    }),
  );
}

test("words that belong together are nearer than words that don't", () => {
  const vectors = readVectors();
  const cosine = (a: string, b: string) => {
    const [x, y] = [a, b].map((word) => vectors.get(word) ?? expect.fail(`${word} is not among the words`));
    const dot = (p: number[], q: number[]) => p.reduce((sum, value, i) => sum + value * (q[i] ?? 0), 0);
    return dot(x!, y!) / Math.sqrt(dot(x!, x!) * dot(y!, y!));
  };
  expect(triples.length).toBeGreaterThanOrEqual(40);
  const failed = triples.filter(([word, nearer, farther]) => cosine(word, nearer) <= cosine(word, farther));
  expect(failed).toEqual([]);
});
