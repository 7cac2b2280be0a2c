/** Limits of one batch. The evidence that proves batching tries sizes up to `maxItems`. */
export interface BatchLimits {
  maxItems: number;
  /** Longest × count: tokens with their padding, or words. */
  maxCost: number;
  /** Part of a batch that may be padding. */
  maxWaste: number;
}

/** No batch is larger: what coupling would show only in larger ones is never run. */
export const MAX_BATCH_ITEMS = 32;

/**
 * Token models: naive batches are up to 5 times slower than none, because of padding; batches of 512 padded
 * tokens with at most 15 % of it lost come within 10 % of the best (contracts-serving, "Scheduling").
 */
export const TOKEN_LIMITS: BatchLimits = { maxItems: MAX_BATCH_ITEMS, maxCost: 512, maxWaste: 0.15 };

/** Graphs that split strings pad to the longest text; a word costs far less than a token does. */
export const WORD_LIMITS: BatchLimits = { maxItems: MAX_BATCH_ITEMS, maxCost: 8192, maxWaste: 0.75 };

/** Tensors of one shape: nothing is lost to padding, and larger batches gain little. */
export const TENSOR_LIMITS: BatchLimits = { maxItems: 16, maxCost: 16, maxWaste: 0 };

/**
 * Chooses what runs next: the oldest, so that nobody starves, and those nearest to it in length, while the
 * batch stays within its limits. An outlier runs alone.
 *
 * @param queue oldest first
 * @param compatible whether one may run with the oldest
 * @returns indices into the queue, ascending; empty for an empty queue
 */
export function formBatch<T extends { length: number }>(
  queue: readonly T[],
  compatible: (oldest: T, other: T) => boolean,
  { maxItems, maxCost, maxWaste }: BatchLimits,
): number[] {
  const oldest = queue[0];
  if (!oldest) return [];
  const candidates = queue
    .map(({ length }, index) => ({ index, length, distance: Math.abs(length - oldest.length) }))
    .filter(({ index }) => index > 0 && compatible(oldest, queue[index]!))
    .sort((a, b) => a.distance - b.distance || a.index - b.index);
  const chosen = [0];
  let longest = oldest.length;
  let sum = oldest.length;
  for (const { index, length } of candidates) {
    if (chosen.length >= maxItems) break;
    const cost = Math.max(longest, length) * (chosen.length + 1);
    if (cost > maxCost || 1 - (sum + length) / cost > maxWaste) continue;
    chosen.push(index);
    longest = Math.max(longest, length);
    sum += length;
  }
  return chosen.sort((a, b) => a - b);
}
