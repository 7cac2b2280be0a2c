import type { BatchLimits } from "./batch-forming.ts";

/** Sizes that are tried, as parts of the most that a batch may cost. */
const PARTS = [1 / 8, 3 / 16, 1 / 4, 1 / 2, 1] as const;

/** What is used before anything is known: never far from the best, on any machine that was measured. */
const FIRST = 2;

/** Of so many batches one has another size than the best, so that what is known of the others stays true. */
const TRY_EVERY = 12;

/**
 * Another size is taken for the best when it gives so many times as much: about what the means below vary by where
 * batches of a size take times that differ by a tenth.
 */
const BETTER = 1.015;

/** Batches of a size after which its rate is believed, and how much the newest counts from then on. */
const ENOUGH = 8;
const NEWEST = 0.05;

/** Lanes whose rates are kept; the ones that ran longest ago are forgotten. */
const MAX_KNOWN = 1024;

interface Known {
  batches: number;
  best: number;
  /** By part: batches formed with it, and means of the length that they did and of their milliseconds. */
  seen: { count: number; length: number; milliseconds: number }[];
}

/**
 * How large batches of a lane should be, by what they gave. A larger one pays fewer times for what a run costs however
 * short it is, but what it works on may no longer fit into a core's cache, and then each unit takes longer: with
 * MiniLM, 512 tokens were best on one machine and 96 on another, where 512 gave a fifth less than no batching.
 *
 * A size answers for all that runs under it, the items that found no mates within it too.
 */
export class BatchSizes {
  readonly #known = new Map<string, Known>();
  /** The size that each batch under way was formed with. */
  readonly #formed = new WeakMap<readonly unknown[], number>();

  /** Forms the lane's next batch within the best of sizes. Every so often another is tried. */
  form<Batch extends readonly unknown[]>(
    lane: string,
    limits: BatchLimits,
    form: (limits: BatchLimits) => Batch,
  ): Batch {
    if (!limits.sized) return form(limits);
    const known = this.#of(lane);
    known.batches += 1;
    const turn = known.batches / TRY_EVERY;
    const part = Number.isInteger(turn) ? turn % PARTS.length : known.best;
    const batch = form({ ...limits, maxCost: limits.maxCost * PARTS[part]! });
    this.#formed.set(batch, part);
    return batch;
  }

  /**
   * What a batch gave that ran on one core.
   *
   * @param length lengths of its items together, without padding
   */
  ran(lane: string, batch: readonly unknown[], length: number, milliseconds: number): void {
    const part = this.#formed.get(batch);
    if (part === undefined || milliseconds <= 0) return;
    const known = this.#of(lane);
    const seen = known.seen[part]!;
    seen.count += 1;
    const weight = Math.max(NEWEST, 1 / seen.count);
    seen.length += weight * (length - seen.length);
    seen.milliseconds += weight * (milliseconds - seen.milliseconds);
    const rates = known.seen.map((each) => (each.count < ENOUGH ? 0 : each.length / each.milliseconds));
    for (const [at, rate] of rates.entries())
      if (rate > BETTER * rates[known.best]! && rates[known.best]! > 0) known.best = at;
  }

  #of(lane: string): Known {
    const known = this.#known.get(lane) ?? {
      batches: 0,
      best: FIRST,
      seen: PARTS.map(() => ({ count: 0, length: 0, milliseconds: 0 })),
    };
    this.#known.delete(lane);
    this.#known.set(lane, known);
    if (this.#known.size > MAX_KNOWN)
      for (const oldest of this.#known.keys().take(1)) this.#known.delete(oldest);
    return known;
  }
}
