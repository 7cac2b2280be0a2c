import { problem } from "@modulehub/core";

export interface AdmissionOptions {
  /** Milliseconds of estimated compute that may wait for one module, and for all of them together. */
  moduleMs: number;
  totalMs: number;
}

/** Weight of the newest measurement in the running mean. */
const NEWEST = 0.2;

/** What a unit of length is thought to take before anything was measured. */
const FIRST_GUESS_MS = 0.2;

/**
 * A bounded queue, measured in estimated compute time instead of requests: what a module's runs have cost for
 * each unit of length (token, word, row), as a running mean.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #costs = new Map<string, number>();
  readonly #waiting = new Map<string, number>();
  #total = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Estimated milliseconds of work of this length. */
  estimate(key: string, length: number): number {
    return (this.#costs.get(key) ?? FIRST_GUESS_MS) * length;
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
    const measured = ms / Math.max(1, cost);
    const known = this.#costs.get(key);
    this.#costs.set(key, known === undefined ? measured : known + NEWEST * (measured - known));
  }

  /** Milliseconds of work that waits or runs, by estimate. */
  get totalMs(): number {
    return this.#total;
  }
}
