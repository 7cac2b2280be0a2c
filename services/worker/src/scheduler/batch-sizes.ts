import type { BatchLimits } from "./batch-forming.ts";

/** Sizes that are tried, as parts of the most that a batch may cost. */
const PARTS = [1 / 8, 1 / 4, 1 / 2, 1] as const;

/** What is used before anything is known: never far from the best, on any machine that was measured. */
const FIRST = 1;

/** Of so many batches one has another size than the best, so that what is known of the others stays true. */
const TRY_EVERY = 16;

/** Another size is taken for the best when it gives so many times as much. */
const BETTER = 1.03;

/** Weight of the newest batch in a size's rate, once there are as many as make it small. */
const NEWEST = 0.05;

/** Lanes whose rates are kept; the ones that ran longest ago are forgotten. */
const MAX_KNOWN = 1024;

interface Known {
  batches: number;
  best: number;
  /** By part: batches seen, and the mean of length done in a millisecond of one core. */
  rates: { count: number; rate: number }[];
}

/** A batch that ran on one core. */
export interface RanBatch {
  items: number;
  /** Longest × count. */
  cost: number;
  /** Lengths of its items together. */
  length: number;
  milliseconds: number;
}

/**
 * How large batches of a lane should be, by what they gave. A larger one pays fewer times for what a run costs however
 * short it is, but what it works on may no longer fit into a core's cache, and then each unit takes longer: with
 * MiniLM, 512 tokens were best on one machine and 128 on another, where 512 gave a fifth less than no batching.
 */
export class BatchSizes {
  readonly #known = new Map<string, Known>();

  /** The limits of the lane's next batch. Every so often another size is tried. */
  next(lane: string, limits: BatchLimits): BatchLimits {
    if (!limits.sized) return limits;
    const known = this.#of(lane);
    known.batches += 1;
    const turn = known.batches / TRY_EVERY;
    const part = Number.isInteger(turn) ? turn % PARTS.length : known.best;
    return { ...limits, maxCost: limits.maxCost * PARTS[part]! };
  }

  /** What a batch gave. One item says nothing of batches. */
  ran(lane: string, limits: BatchLimits, { items, cost, length, milliseconds }: RanBatch): void {
    if (!limits.sized || items < 2 || milliseconds <= 0) return;
    const known = this.#of(lane);
    const part = PARTS.findIndex((each) => cost <= limits.maxCost * each);
    const seen = known.rates[part];
    if (!seen) return;
    seen.count += 1;
    seen.rate += Math.max(NEWEST, 1 / seen.count) * (length / milliseconds - seen.rate);
    for (const [at, { rate }] of known.rates.entries())
      if (rate > BETTER * known.rates[known.best]!.rate) known.best = at;
  }

  #of(lane: string): Known {
    const known = this.#known.get(lane) ?? {
      batches: 0,
      best: FIRST,
      rates: PARTS.map(() => ({ count: 0, rate: 0 })),
    };
    this.#known.delete(lane);
    this.#known.set(lane, known);
    if (this.#known.size > MAX_KNOWN)
      for (const oldest of this.#known.keys().take(1)) this.#known.delete(oldest);
    return known;
  }
}
