import fc from "fast-check";
import { expect, test } from "vitest";
import { formBatch, TENSOR_LIMITS, TOKEN_LIMITS } from "./batch-forming.ts";

const all = () => true;
const lengths = (...list: number[]) => list.map((length) => ({ length }));

test("the oldest always runs, with its nearest in length", () => {
  expect(formBatch(lengths(100, 10, 101, 99, 12), all, TOKEN_LIMITS)).toEqual([0, 2, 3]);
});

test("an outlier runs alone", () => {
  expect(formBatch(lengths(400, 10, 12, 11), all, TOKEN_LIMITS)).toEqual([0]);
  expect(formBatch(lengths(5000, 5000), all, TOKEN_LIMITS)).toEqual([0]);
});

test("items that may not run with the oldest wait", () => {
  expect(formBatch(lengths(1, 1, 1), (_oldest, other) => other.length > 1, TENSOR_LIMITS)).toEqual([0]);
});

test("an empty queue gives nothing", () => {
  expect(formBatch([], all, TOKEN_LIMITS)).toEqual([]);
});

test("whatever waits, no batch of several exceeds 512 padded tokens, 15 % of padding or 32 items", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 80 }), (queue) => {
      const chosen = formBatch(lengths(...queue), all, TOKEN_LIMITS);
      expect(chosen[0]).toBe(0);
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
