import { expect, test } from "vitest";
import { TENSOR_LIMITS, TOKEN_LIMITS } from "./batch-forming.ts";
import { BatchSizes } from "./batch-sizes.ts";

/** Runs batches as large as they may be, at the milliseconds that a machine takes for so many tokens. */
function run(sizes: BatchSizes, msOf: (tokens: number) => number, batches = 400): number[] {
  return Array.from({ length: batches }, () => {
    const batch = sizes.form("lane", TOKEN_LIMITS, ({ maxCost }) => [maxCost]);
    sizes.ran("lane", batch, batch[0]!, msOf(batch[0]!));
    return batch[0]!;
  });
}

const usual = (chosen: number[]): number => chosen.toSorted((a, b) => a - b)[Math.floor(chosen.length / 2)]!;

test("where each run costs much, batches become as large as they may be", () => {
  const chosen = run(new BatchSizes(), (tokens) => 10 + 0.1 * tokens, 1600);
  expect(usual(chosen.slice(1200))).toBe(512);
});

test("where large batches take longer for each token, they stay small", () => {
  // As measured with MiniLM on two cores with 1 MB of cache each, by R32: 96 tokens 236 texts a second, 512 tokens 179.
  const chosen = run(new BatchSizes(), (tokens) => tokens * (tokens > 128 ? 0.28 : 0.21));
  expect(usual(chosen.slice(200))).toBeLessThanOrEqual(128);
});

test("a machine that changes is noticed, for other sizes are tried now and then", () => {
  const sizes = new BatchSizes();
  expect(usual(run(sizes, (tokens) => 10 + 0.1 * tokens, 1600).slice(1200))).toBe(512);
  expect(usual(run(sizes, (tokens) => tokens * (tokens > 64 ? 0.3 : 0.1), 4000).slice(3600))).toBe(64);
});

test("other limits than those of tokens are left alone", () => {
  const maxCost = new BatchSizes().form("lane", TENSOR_LIMITS, (limits) => [limits.maxCost]);
  expect(maxCost).toEqual([TENSOR_LIMITS.maxCost]);
});
