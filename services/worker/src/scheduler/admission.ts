import { problem } from "@modulehub/core";

export interface AdmissionOptions {
  /** Milliseconds of estimated compute that may wait for one module, and for all of them together. */
  moduleMs: number;
  totalMs: number;
}

/** Weight of the newest measurement in the running means. */
const NEWEST = 0.1;

/** What a run, and each unit of length in it, is thought to take before anything was measured. */
const FIRST_GUESS = { runMs: 1, unitMs: 0.01 };

/** Lengths are extrapolated by this many standard deviations of those seen. */
const FARTHEST = 20;

/** Running means of runs: length x, milliseconds y. */
interface Moments {
  x: number;
  y: number;
  xx: number;
  xy: number;
}

/**
 * A bounded queue, measured in estimated compute time instead of requests: a straight
 * line through what a module's runs have cost by length (tokens, words, rows), newer ones counting more.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #costs = new Map<string, Moments>();
  readonly #waiting = new Map<string, number>();
  #total = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Estimated milliseconds of a run of this length. */
  estimate(key: string, length: number): number {
    const seen = this.#costs.get(key);
    if (!seen) return FIRST_GUESS.runMs + FIRST_GUESS.unitMs * length;
    const spread = Math.sqrt(Math.max(0, seen.xx - seen.x * seen.x));
    const beyond = length - seen.x;
    if (spread < 1e-3) return Math.max(0, seen.y + FIRST_GUESS.unitMs * beyond);
    // Runs of one and two words say nothing about one of 50,000: the line is followed as far as it is known.
    const known = Math.min(beyond, FARTHEST * spread);
    const unitMs = Math.max(0, (seen.xy - seen.x * seen.y) / spread ** 2);
    return Math.max(0, seen.y + unitMs * known + FIRST_GUESS.unitMs * (beyond - known));
  }

  /**
   * Lets estimated work in. Throws `too-many-requests` at once, with the time after which there should be
   * room, where too much waits already. One request alone is always let in.
   */
  enter(key: string, ms: number): void {
    const waiting = this.#waiting.get(key) ?? 0;
    const over = Math.max(
      waiting > 0 ? waiting + ms - this.#options.moduleMs : 0,
      this.#total > 0 ? this.#total + ms - this.#options.totalMs : 0,
    );
    if (over > 0)
      throw problem("too-many-requests", "The queue of the worker is full.", {
        retryAfter: Math.max(1, Math.ceil(over / 1000)),
      });
    this.#waiting.set(key, waiting + ms);
    this.#total += ms;
  }

  /** Takes out what `enter` let in, with the same number. */
  leave(key: string, ms: number): void {
    const left = (this.#waiting.get(key) ?? 0) - ms;
    if (left > 1e-9) this.#waiting.set(key, left);
    else this.#waiting.delete(key);
    this.#total = this.#waiting.size === 0 ? 0 : Math.max(0, this.#total - ms);
  }

  /** Learns what a run cost: its milliseconds and its longest × count. */
  learn(key: string, ms: number, cost: number): void {
    const seen = this.#costs.get(key);
    const mix = (old: number | undefined, value: number) =>
      old === undefined ? value : old + NEWEST * (value - old);
    this.#costs.set(key, {
      x: mix(seen?.x, cost),
      y: mix(seen?.y, ms),
      xx: mix(seen?.xx, cost * cost),
      xy: mix(seen?.xy, cost * ms),
    });
  }

  /** Milliseconds of work that waits or runs, by estimate. */
  get totalMs(): number {
    return this.#total;
  }
}
