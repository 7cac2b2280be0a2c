/** Limits of one batch. The evidence that proves batching tries sizes up to `maxItems`. */
export interface BatchLimits {
  maxItems: number;
  /** Longest × count: tokens with their padding, or words. */
  maxCost: number;
  /** Part of a batch that may be padding. */
  maxWaste: number;
  /** What a run costs besides, however short it is, in the unit of `maxCost`: how much padding a larger batch is worth. */
  fixedCost: number;
  /** Whether batches of less than the most are tried too, and preferred where they give more (BatchSizes). */
  sized?: true;
}

/** No batch is larger: what coupling would show only in larger ones is never run. */
export const MAX_BATCH_ITEMS = 32;

/**
 * Token models: naive batches are up to 5 times slower than none, because of padding; batches of 512 padded
 * tokens come within 10 % of the best on one machine, 128 on another (BatchSizes). A run costs what it does because all
 * weights are read for it, and a token because they are multiplied, so that their ratio is rather the machine's than the
 * model's: 11 with MiniLM on two cores of an EPYC, where 6 to 16 gave within 1 % as much.
 */
export const TOKEN_LIMITS: BatchLimits = {
  maxItems: MAX_BATCH_ITEMS,
  maxCost: 512,
  maxWaste: 0.15,
  fixedCost: 10,
  sized: true,
};

/**
 * Graphs that split strings pad to the longest text; a word costs far less than a token does: with the example
 * nnlm-en-dim100 a ten-thousandth of a millisecond, where a run takes some 0.2 with its way to the engine and back.
 */
export const WORD_LIMITS: BatchLimits = {
  maxItems: MAX_BATCH_ITEMS,
  maxCost: 8192,
  maxWaste: 0.75,
  fixedCost: 2000,
};

/** Tensors of one shape: nothing is lost to padding, and larger batches gain little. */
export const TENSOR_LIMITS: BatchLimits = { maxItems: 16, maxCost: 16, maxWaste: 0, fixedCost: 1 };

/** What isn't proven to batch. */
export const SINGLE: BatchLimits = { maxItems: 1, maxCost: 0, maxWaste: 0, fixedCost: 0 };

/**
 * Items that are looked through for one batch, so that a long queue costs no more than a short one, and who came late
 * doesn't pass many who came before: with 128, one in a hundred waited more than twice as long as the middle one.
 */
const WINDOW = 32;

/**
 * Chooses what runs together with the item whose turn it is. In the order of lengths that is a range around it: of all
 * that stay within the limits, the one that costs least beside its items one by one. An outlier runs alone.
 *
 * @param first whose turn it is; it is always in the batch, as its first
 * @param queue what may run with it, oldest first; `first` may be among them
 */
export function formBatch<T extends { readonly length: number }>(
  first: T,
  queue: readonly T[],
  limits: BatchLimits,
): T[] {
  const { maxItems, maxCost, maxWaste, fixedCost } = limits;
  if (maxItems < 2 || first.length * 2 > maxCost) return [first];
  const mates = queue
    .slice(0, WINDOW)
    .filter((item) => item !== first)
    .sort((a, b) => a.length - b.length);
  let above = mates.findIndex(({ length }) => length >= first.length);
  if (above < 0) above = mates.length;
  // What they would cost apart, by what they cost together.
  const gain = (count: number, sum: number, cost: number) => (count * fixedCost + sum) / (fixedCost + cost);
  let best = { from: above, to: above, gain: 1 };
  let shorter = 0;
  for (let from = above; from >= 0; from--) {
    if (from < above) shorter += mates[from]!.length;
    let sum = first.length + shorter;
    for (let to = above; to <= mates.length; to++) {
      if (to > above) sum += mates[to - 1]!.length;
      const count = 1 + to - from;
      const cost = count * (to > above ? mates[to - 1]!.length : first.length);
      // Both only grow with more that are longer.
      if (count > maxItems || (count > 1 && cost > maxCost)) break;
      if (1 - sum / cost > maxWaste) continue;
      if (gain(count, sum, cost) > best.gain) best = { from, to, gain: gain(count, sum, cost) };
    }
  }
  return [first, ...mates.slice(best.from, best.to)];
}
