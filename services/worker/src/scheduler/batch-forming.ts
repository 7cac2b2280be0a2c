/** Limits of one batch. The evidence that proves batching tries sizes up to `maxItems`. */
export interface BatchLimits {
  maxItems: number;
  /** Longest × count: tokens with their padding, or words. */
  maxCost: number;
  /** Part of a batch that may be padding. */
  maxWaste: number;
  /** Whether batches of less than the most are tried too, and preferred where they give more (BatchSizes). */
  sized?: true;
}

/** No batch is larger: what coupling would show only in larger ones is never run. */
export const MAX_BATCH_ITEMS = 32;

/**
 * Token models: naive batches are up to 5 times slower than none, because of padding; batches of 512 padded
 * tokens with at most 15 % of it lost come within 10 % of the best on one machine, 128 on another (BatchSizes).
 */
export const TOKEN_LIMITS: BatchLimits = {
  maxItems: MAX_BATCH_ITEMS,
  maxCost: 512,
  maxWaste: 0.15,
  sized: true,
};

/** Graphs that split strings pad to the longest text; a word costs far less than a token does. */
export const WORD_LIMITS: BatchLimits = { maxItems: MAX_BATCH_ITEMS, maxCost: 8192, maxWaste: 0.75 };

/** Tensors of one shape: nothing is lost to padding, and larger batches gain little. */
export const TENSOR_LIMITS: BatchLimits = { maxItems: 16, maxCost: 16, maxWaste: 0 };

/** What isn't proven to batch. */
export const SINGLE: BatchLimits = { maxItems: 1, maxCost: 0, maxWaste: 0 };

/**
 * Items that are looked through for one batch, so that a long queue costs no more than a short one, and who came late
 * doesn't pass many who came before: with 128, one in a hundred waited more than twice as long as the middle one.
 */
const WINDOW = 32;

/**
 * Chooses what runs together with the item whose turn it is: those nearest to it in length, while the batch stays
 * within its limits. An outlier runs alone.
 *
 * @param first whose turn it is; it is always in the batch
 * @param queue what may run with it, oldest first; `first` may be among them
 */
export function formBatch<T extends { readonly length: number }>(
  first: T,
  queue: readonly T[],
  { maxItems, maxCost, maxWaste }: BatchLimits,
): T[] {
  const batch = [first];
  if (maxItems < 2 || first.length * 2 > maxCost) return batch;
  const mates = queue
    .slice(0, WINDOW)
    .filter((item) => item !== first)
    .sort((a, b) => a.length - b.length);
  // From its place in the order of lengths outwards, nearest first, on each side until the limits say no.
  let above = mates.findIndex(({ length }) => length >= first.length);
  if (above < 0) above = mates.length;
  let below = above - 1;
  let longest = first.length;
  let sum = first.length;
  while (batch.length < maxItems && (below >= 0 || above < mates.length)) {
    const shorter = mates[below];
    const longer = mates[above];
    const up =
      longer !== undefined &&
      (shorter === undefined || longer.length - first.length <= first.length - shorter.length);
    const next = up ? longer : shorter!;
    const cost = Math.max(longest, next.length) * (batch.length + 1);
    if (cost > maxCost || 1 - (sum + next.length) / cost > maxWaste) {
      if (up) above = mates.length;
      else below = -1;
      continue;
    }
    batch.push(next);
    longest = Math.max(longest, next.length);
    sum += next.length;
    if (up) above += 1;
    else below -= 1;
  }
  return batch;
}
