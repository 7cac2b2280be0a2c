import { expect, test } from "vitest";
import { TENSOR_LIMITS, TOKEN_LIMITS } from "./batch-forming.ts";
import { BatchSizes } from "./batch-sizes.ts";

/** Runs batches as large as they may be, at the milliseconds that a machine takes for so many tokens. */
function run(sizes: BatchSizes, msOf: (tokens: number) => number, batches = 400): number[] {
  return Array.from({ length: batches }, () => {
    const { maxCost } = sizes.next("lane", TOKEN_LIMITS);
    sizes.ran("lane", TOKEN_LIMITS, {
      items: 4,
      cost: maxCost,
      length: maxCost,
      milliseconds: msOf(maxCost),
    });
    return maxCost;
  });
}

const usual = (chosen: number[]): number => chosen.toSorted((a, b) => a - b)[chosen.length / 2]!;

test("where each run costs much, batches become as large as they may be", () => {
  const chosen = run(new BatchSizes(), (tokens) => 10 + 0.1 * tokens);
  expect(usual(chosen.slice(200))).toBe(512);
});

test("where large batches take longer for each token, they stay small", () => {
  // As measured with MiniLM on two cores with 1 MB of cache each: 236 texts a second with 128 tokens, 183 with 512.
  const chosen = run(new BatchSizes(), (tokens) => tokens * (tokens > 128 ? 0.27 : 0.21));
  expect(usual(chosen.slice(200))).toBeLessThanOrEqual(128);
});

test("a machine that changes is noticed, for other sizes are tried now and then", () => {
  const sizes = new BatchSizes();
  expect(usual(run(sizes, (tokens) => 10 + 0.1 * tokens).slice(200))).toBe(512);
  expect(usual(run(sizes, (tokens) => tokens * (tokens > 64 ? 0.3 : 0.1), 2000).slice(1600))).toBe(64);
});

test("other limits than those of tokens are left alone", () => {
  expect(new BatchSizes().next("lane", TENSOR_LIMITS)).toBe(TENSOR_LIMITS);
});
