/** Part of the machine's work that may pass the rest. */
const PART = 0.1;

/** Milliseconds of one core that may be saved up, or owed. */
const MOST_MS = 500;

/** Work is short that takes at most this part of what runs take. */
const SHORT = 0.25;

/** Weight of the newest run in the mean. */
const NEWEST = 0.1;

/**
 * Which work may pass the batches that hold the cores. Only work that is short beside them, and only while all of
 * it together is a small part of what is done: where short work is the load itself it is better batched, and what
 * passes would take the cores from it.
 */
export class ShortWork {
  #creditMs = MOST_MS;
  /** Of one core. */
  #typicalMs: number | undefined;

  /** Whether a run of so many milliseconds of one core is short beside those of late. */
  isShort(coreMs: number): boolean {
    return this.#typicalMs !== undefined && coreMs <= SHORT * this.#typicalMs;
  }

  /** Whether short work may pass now. */
  get mayPass(): boolean {
    return this.#creditMs > 0;
  }

  /** Short work has come, whether it will pass or not, that would take all cores together so many milliseconds. */
  came(coreMs: number): void {
    this.#creditMs = Math.max(-MOST_MS, this.#creditMs - coreMs);
  }

  /** A run on cores of its own has ended. */
  ran(milliseconds: number, cores: number): void {
    const coreMs = milliseconds * cores;
    this.#creditMs = Math.min(MOST_MS, this.#creditMs + PART * coreMs);
    this.#typicalMs =
      this.#typicalMs === undefined ? coreMs : this.#typicalMs + NEWEST * (coreMs - this.#typicalMs);
  }
}
