import { ProblemError } from "@modulehub/core";
import { StoreRefusalError, UnexpectedAnswerError } from "../connection-error.ts";
import { mayRetry, pause, retryDelay } from "../retry.ts";

/** Milliseconds without anything getting through after which a line counts as dead. */
const PATIENCE = 300_000;
const LONGEST_PAUSE = 10_000;
/** Parts of one file on their way at once, at most. */
const WIDEST = 4;

/** Parts that must get through one after the other, once it has broken, before it carries several again. */
const FIRST_PROOF = 8;
const LONGEST_PROOF = 512;

/**
 * The line that a file's parts take. It is given up when nothing has got through for five minutes, however often it
 * breaks before. It carries several parts at once only while it doesn't break: what breaks costs all parts that are on
 * their way, so one that has broken carries one at a time, for longer each time that it broke with several.
 */
export class Line {
  #lastSuccess = Date.now();
  #failures = 0;
  #width = 1;
  /** Parts that must get through before it is wide, the next time that it breaks while it is. */
  #proof = FIRST_PROOF;
  #unproven: number;
  readonly #isWide: boolean;
  readonly #signal: AbortSignal;

  /** `isWide`: whether it may carry several parts at once. `broke`: whether it has broken off an upload of the file. */
  constructor({ isWide, broke }: { isWide: boolean; broke: boolean }, signal: AbortSignal) {
    this.#isWide = isWide;
    this.#unproven = broke ? FIRST_PROOF : 0;
    this.#signal = signal;
  }

  /** How many parts may be on their way at once now. */
  get width(): number {
    return this.#width;
  }

  /** Something got through. */
  succeeded(): void {
    this.#lastSuccess = Date.now();
    this.#failures = 0;
    if (this.#unproven > 0) this.#unproven -= 1;
    else if (this.#isWide) this.#width = Math.min(WIDEST, this.#width + 1);
  }

  /** Waits until it is time to try again. Throws the error where that has no chance, or had none for too long. */
  async failed(error: unknown): Promise<void> {
    this.#narrow();
    this.#failures += 1;
    if (this.#signal.aborted || Date.now() - this.#lastSuccess > PATIENCE) throw error;
    if (!isLineFault(error)) throw error;
    await pause(Math.min(LONGEST_PAUSE, retryDelay(error, this.#failures)), this.#signal);
  }

  /** Of several parts that break at once, the first makes it narrow. */
  #narrow(): void {
    if (this.#width > 1) this.#proof = Math.min(LONGEST_PROOF, 2 * this.#proof);
    this.#unproven = this.#proof;
    this.#width = 1;
  }

  /** Does what can be done twice until it succeeds. Throws as `failed` does. */
  async persist<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      this.#signal.throwIfAborted();
      try {
        const result = await work();
        this.#lastSuccess = Date.now();
        return result;
      } catch (error) {
        await this.failed(error);
      }
    }
  }
}

/** A part is numbered, so any failure of the hub, of the store, or of the way there allows it again. */
const isLineFault = (error: unknown): boolean =>
  error instanceof StoreRefusalError ? error.storeStatus >= 500 : isHubFault(error);

const isHubFault = (error: unknown): boolean =>
  mayRetry(error, "safe") ||
  (error instanceof ProblemError && error.status >= 500) ||
  (error instanceof UnexpectedAnswerError && error.status >= 500);
