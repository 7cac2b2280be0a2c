import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { nearestNeighbour, sampleRows } from "./index.ts";

/** Made by scikit-learn.py beside it: distances of all pairs, the smallest of each row. */
const { neighbours: REFERENCE } = z
  .object({
    neighbours: z.object({
      features: z.number(),
      labels: z.array(z.number()),
      vectors: z.array(z.number()),
      cosine: z.number(),
      euclidean: z.number(),
    }),
  })
  .parse(JSON.parse(readFileSync(new URL("./fixtures/scikit-learn.json", import.meta.url), "utf8")));

test("errors of the nearest other row are scikit-learn's, by the angle and by the straight line", () => {
  const { features, labels, vectors } = REFERENCE;
  const rows = { features, labels, vectors: Float32Array.from(vectors) };
  const count = labels.length;
  const expected = (wrong: number) => ({ wrong, error: wrong / count, examples: count, of: count });
  expect(nearestNeighbour(rows, "cosine")).toEqual({ metric: "cosine", ...expected(REFERENCE.cosine) });
  expect(nearestNeighbour(rows, "euclid", 500)).toEqual({
    metric: "euclid",
    ...expected(REFERENCE.euclidean),
    of: 500,
  });
});

test("however many rows and features there are, the nearest are those of comparing all with all", () => {
  const shape = fc.record({
    count: fc.integer({ min: 2, max: 140 }),
    features: fc.integer({ min: 1, max: 6 }),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(shape, ({ count, features, seed }) => {
      // Few different numbers, so that many rows are equally near.
      const number = (index: number) => ((index * 7919 + seed) * 104729) % 5;
      const vectors = Float32Array.from({ length: count * features }, (_, index) => number(index));
      const labels = Array.from({ length: count }, (_, index) => number(index * 31 + 1) % 3);
      const distance = (a: number, b: number) => {
        let sum = 0;
        for (let index = 0; index < features; index++)
          sum += (vectors[a * features + index]! - vectors[b * features + index]!) ** 2;
        return sum;
      };
      let wrong = 0;
      for (let row = 0; row < count; row++) {
        let nearest = -1;
        for (let other = 0; other < count; other++)
          if (other !== row && (nearest < 0 || distance(row, other) < distance(row, nearest)))
            nearest = other;
        if (labels[nearest] !== labels[row]) wrong += 1;
      }
      expect(nearestNeighbour({ vectors, features, labels }, "euclid").wrong).toBe(wrong);
    }),
    { numRuns: 60 },
  );
});

test("one row alone has no neighbour", () => {
  expect(() =>
    nearestNeighbour({ vectors: new Float32Array(3), features: 3, labels: [0] }, "cosine"),
  ).toThrow(RangeError);
});

test("a sample is the same for the same seed, ascending, and of the whole where that is small", () => {
  expect(sampleRows(5, 10, 1)).toEqual([0, 1, 2, 3, 4]);
  const sample = sampleRows(1000, 100, 7);
  expect(sample).toEqual(sampleRows(1000, 100, 7));
  expect(sample).not.toEqual(sampleRows(1000, 100, 8));
  expect(sample).toEqual([...new Set(sample)].sort((a, b) => a - b));
  expect(sample.length).toBe(100);
  expect(sample.at(-1)).toBeLessThan(1000);
});

test("every row is as likely in a sample as any other", () => {
  const hits = new Array<number>(20).fill(0);
  for (let seed = 0; seed < 4000; seed++) for (const row of sampleRows(20, 5, seed)) hits[row]! += 1;
  // 1,000 expected each, standard deviation √(4000 · ¼ · ¾) = 27; five of these.
  for (const hit of hits) expect(Math.abs(hit - 1000)).toBeLessThan(137);
});
