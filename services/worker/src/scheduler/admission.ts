import { problem } from "@modulehub/core";

/** What is in the queue, as far as admission must know it. */
export interface Backlog {
  /** Milliseconds of one core until a caller's request that takes so many is done; see FairOrder. */
  workUntilDone(caller: string, ms: number): number;
  /** What is left of the runs under way, in milliseconds of one core. */
  runningMs(): number;
  /** Items that wait. */
  readonly waiting: number;
}

/** A short queue, of so many items a core, may be of work that takes so many times as long. */
const SHORT_QUEUE = { itemsPerCore: 16, times: 3 };

/** A request is let in only where it should be done in this part of its time: a queue's estimate is off by some of it. */
const IN_TIME = 0.65;

/** Weight of the newest wait in the mean of how far waits were off, and the least wait that says anything. */
const NEWEST = 0.05;
const TOLD_MS = 50;

/** Waits are thought to be off by this factor at most. */
const MOST_OFF = 3;

/** Who asks, and the last moment on performance.now()'s clock at which its answer is worth anything. */
export interface Asker {
  caller: string;
  deadline: number;
}

/**
 * A bounded queue, measured in estimated time instead of requests. What can't begin soon is refused at once, with
 * the time after which there should be room: an answer that comes too late has cost the others theirs.
 */
export class Admission {
  readonly #backlog: Backlog;
  readonly #cores: number;
  readonly #longestWaitMs: number;
  /** What waits have been of late ÷ what they were estimated to be: gaps between runs, others on the machine. */
  #off = 1;

  /** @param longestWaitMs milliseconds that a request may wait for others, by estimate */
  constructor(backlog: Backlog, cores: number, longestWaitMs: number) {
    this.#backlog = backlog;
    this.#cores = cores;
    this.#longestWaitMs = longestWaitMs;
  }

  /**
   * Throws `too-many-requests` where a request of so many milliseconds would wait too long, or couldn't be done by
   * its deadline for all that is before it. What would be late on an empty machine too is let in: waiting longer
   * wouldn't help it.
   *
   * @param trust how far the estimate is known to be right, 0 to 1: while nothing is known, nothing is refused
   */
  check({ caller, deadline }: Asker, ms: number, trust = 1): void {
    const waitMs = trust * this.waitMs(caller, ms);
    const left = IN_TIME * (deadline - performance.now()) - ms / this.#cores;
    const short = this.#backlog.waiting < SHORT_QUEUE.itemsPerCore * this.#cores;
    const most = this.#longestWaitMs * (short ? SHORT_QUEUE.times : 1);
    const longest = Math.min(most, Math.max(0, left));
    if (waitMs <= longest) return;
    throw problem("too-many-requests", "The queue of the worker is full.", {
      retryAfter: Math.max(1, Math.ceil((waitMs - longest) / 1000)),
    });
  }

  /** Estimated milliseconds that a request of a caller waits for others. */
  waitMs(caller: string, ms: number): number {
    return this.#off * this.#plainWaitMs(caller, ms);
  }

  /** A request is let in; to be told how long it has waited when it begins. */
  letIn(caller: string, ms: number): (waitedMs: number) => void {
    const estimate = this.#plainWaitMs(caller, ms);
    return (waitedMs) => {
      if (estimate < TOLD_MS) return;
      const off = Math.min(MOST_OFF, Math.max(1 / MOST_OFF, waitedMs / estimate));
      this.#off += NEWEST * (off - this.#off);
    };
  }

  #plainWaitMs(caller: string, ms: number): number {
    return (this.#backlog.runningMs() + this.#backlog.workUntilDone(caller, ms) - ms) / this.#cores;
  }
}
