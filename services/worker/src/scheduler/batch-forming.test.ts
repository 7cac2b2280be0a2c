import fc from "fast-check";
import { expect, test } from "vitest";
import { formBatch, SINGLE, TENSOR_LIMITS, TOKEN_LIMITS, WORD_LIMITS } from "./batch-forming.ts";

const formed = (lengths: number[], limits = TOKEN_LIMITS, first = 0) => {
  const queue = lengths.map((length) => ({ length }));
  return formBatch(queue[first]!, queue, limits).map((item) => queue.indexOf(item));
};

test("whose turn it is always runs, with its nearest in length", () => {
  expect(formed([100, 10, 101, 99, 12]).sort()).toEqual([0, 2, 3]);
  expect(formed([100, 10, 101, 99, 12], TOKEN_LIMITS, 4).sort()).toEqual([1, 4]);
});

test("an outlier runs alone", () => {
  expect(formed([400, 10, 12, 11])).toEqual([0]);
  expect(formed([5000, 5000])).toEqual([0]);
});

test("padding is taken on only where it costs less than a run of its own", () => {
  // 80 for 74 and one run against 74 and two runs. With 29 it would be 13.75 % of padding, within the limit.
  expect(formed([40, 34])).toEqual([0, 1]);
  expect(formed([40, 29])).toEqual([0]);
  // Two that are near are better by themselves than with a third that makes both longer.
  expect(formed([100, 99, 118])).toEqual([0, 1]);
});

test("words and tensors run together as far as they may", () => {
  // A run costs as much as 2,000 words: 300 for 180 and one run, against 80 for 80, 100 for 100 and two runs.
  expect(formed([40, 40, 100], WORD_LIMITS)).toEqual([0, 1, 2]);
  expect(formed([40, 40, 100], { ...WORD_LIMITS, fixedCost: 10 })).toEqual([0, 1]);
  // More than three quarters of it would be padding.
  expect(formed([5, 2000, 5, 5, 5, 5, 5], WORD_LIMITS).sort()).toEqual([0, 2, 3, 4, 5, 6]);
  expect(formed(Array(20).fill(1), TENSOR_LIMITS)).toHaveLength(16);
});

test("what isn't proven to batch runs alone", () => {
  expect(formed([1, 1, 1], SINGLE)).toEqual([0]);
});

test("a long queue costs no more than a short one: mates are sought among the oldest", () => {
  const queue = Array.from({ length: 10_000 }, (_, index) => (index < 5000 ? 200 : 100));
  expect(formed([100, ...queue])).toEqual([0]);
});

test("whatever waits, no batch of several exceeds 512 padded tokens, 15 % of padding or 32 items", () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 80 });
  fc.assert(
    fc.property(lengths, fc.nat(), (queue, turn) => {
      const first = turn % queue.length;
      const chosen = formed(queue, TOKEN_LIMITS, first);
      expect(chosen[0]).toBe(first);
      expect(new Set(chosen).size).toBe(chosen.length);
      if (chosen.length === 1) return;
      const sizes = chosen.map((index) => queue[index]!);
      const padded = Math.max(...sizes) * sizes.length;
      expect(sizes.length).toBeLessThanOrEqual(32);
      expect(padded).toBeLessThanOrEqual(512);
      expect(1 - sizes.reduce((a, b) => a + b) / padded).toBeLessThanOrEqual(0.15 + 1e-9);
    }),
  );
});
