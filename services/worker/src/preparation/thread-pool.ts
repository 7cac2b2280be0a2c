import { Worker } from "node:worker_threads";
import { ProblemError, problem } from "@modulehub/core";
import type { Patience } from "../patience.ts";
import { bytesOf, type ThreadAnswer, type ThreadJob, type ThreadResults } from "./thread-job.ts";

export interface ThreadPoolOptions {
  threads: number;
  /** A job that takes longer loses its thread. */
  jobMs: number;
  /** Megabytes of heap of a thread; a job that needs more loses it. */
  heapMegabytes: number;
  /** Bytes that jobs may hold together while they wait for a thread. */
  waitingBytes: number;
}

/** The cause of `deadline-exceeded` where a job held a thread for too long; one that only waited has another. */
export class Overstayed extends Error {
  override name = "Overstayed";
}

/** What a job holds beside its inputs, in bytes. */
const JOB_BYTES = 4096;

/**
 * Megabytes of a thread's heap for what is young. Left to V8 it grows to 48 for a few large texts and stays: after 40
 * of 200,000 words the worker held 364 MB, with young generations as small as this everywhere 243 MB, and took less
 * time for each.
 */
const YOUNG_MEGABYTES = 6;

interface Waiting {
  /** Whose job it is: nobody may hold all threads. */
  key: string;
  job: ThreadJob;
  /** What it is counted with while it waits. */
  bytes: number;
  /** It waits no longer: for its asker and deadline nobody looks any more. */
  unwatch(): void;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

interface Thread {
  worker: Worker;
  current: Waiting | undefined;
  overdue: NodeJS.Timeout | undefined;
}

/**
 * Threads for parsing large bodies, tokenizing and decoding images: neither a huge body nor a tokenizer whose
 * patterns never end stalls the worker. No ONNX Runtime here: ending a thread in mid-run would abort us.
 */
export class ThreadPool {
  readonly #options: ThreadPoolOptions;
  readonly #threads = new Set<Thread>();
  /** In the order in which they came. */
  readonly #queue = new Set<Waiting>();
  #waitingBytes = 0;
  #closed = false;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
  }

  /** Bytes that jobs which wait for a thread hold now. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /**
   * Does a job. Throws what the job throws, and `deadline-exceeded` (caused by `Overstayed`) or `body-too-large` where
   * it was ended. One that has to wait is refused with `too-many-requests` where those before it hold too much (never
   * in the background), and taken out with `deadline-exceeded`, or the signal's reason, when nobody waits for it any more.
   */
  run<J extends ThreadJob>(key: string, job: J, patience: Patience = {}): Promise<ThreadResults[J["kind"]]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw problem("shutting-down");
      const { signal, deadline = Number.POSITIVE_INFINITY, priority } = patience;
      signal?.throwIfAborted();
      if (deadline <= performance.now()) throw late();
      const waiting: Waiting = {
        ...{ key, job, bytes: 0, unwatch: () => undefined, reject },
        resolve: (result) => resolve(result as ThreadResults[J["kind"]]),
      };
      this.#queue.add(waiting);
      this.#dispatch();
      if (!this.#queue.has(waiting)) return;
      waiting.bytes = JOB_BYTES + bytesOf(job);
      this.#waitingBytes += waiting.bytes;
      const giveUp = (error: Error) => {
        this.#takeOut(waiting);
        reject(error);
      };
      if (priority !== "background" && this.#waitingBytes > this.#options.waitingBytes) {
        giveUp(problem("too-many-requests", "Too much waits to be read.", { retryAfter: 1 }));
        return;
      }
      const leave = () => giveUp(signal?.reason as Error);
      signal?.addEventListener("abort", leave, { once: true });
      const timer =
        deadline === Number.POSITIVE_INFINITY
          ? undefined
          : setTimeout(() => giveUp(late()), deadline - performance.now());
      waiting.unwatch = () => {
        signal?.removeEventListener("abort", leave);
        clearTimeout(timer);
      };
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const waiting of this.#queue) {
      this.#takeOut(waiting);
      waiting.reject(problem("shutting-down"));
    }
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #takeOut(waiting: Waiting): void {
    if (!this.#queue.delete(waiting)) return;
    this.#waitingBytes -= waiting.bytes;
    waiting.unwatch();
  }

  #dispatch(): void {
    for (const waiting of this.#queue) {
      if (this.#held(waiting.key) >= Math.max(1, this.#options.threads - 1)) continue;
      const thread = this.#idleThread();
      if (!thread) return;
      this.#takeOut(waiting);
      this.#begin(thread, waiting);
    }
  }

  #held(key: string): number {
    let held = 0;
    for (const { current } of this.#threads) if (current?.key === key) held += 1;
    return held;
  }

  #idleThread(): Thread | undefined {
    if (this.#closed) return undefined;
    for (const thread of this.#threads) if (!thread.current) return thread;
    return this.#threads.size < this.#options.threads ? this.#start() : undefined;
  }

  #begin(thread: Thread, waiting: Waiting): void {
    thread.current = waiting;
    thread.overdue = setTimeout(() => {
      const cause = new Overstayed();
      waiting.reject(problem("deadline-exceeded", "Reading the inputs took too long.", { cause }));
      this.#end(thread);
    }, this.#options.jobMs);
    const { job } = waiting;
    // A large body is given away, not copied: garbage of such a size would have all of this process's memory looked through.
    thread.worker.postMessage(job, job.kind === "call" ? [job.bytes.buffer] : []);
  }

  #start(): Thread {
    const worker = new Worker(new URL("./thread.ts", import.meta.url), {
      env: {},
      resourceLimits: {
        maxOldGenerationSizeMb: this.#options.heapMegabytes,
        maxYoungGenerationSizeMb: YOUNG_MEGABYTES,
      },
    });
    worker.unref();
    const thread: Thread = { worker, current: undefined, overdue: undefined };
    this.#threads.add(thread);
    worker.on("message", (answer: ThreadAnswer) => {
      const { current } = thread;
      clearTimeout(thread.overdue);
      thread.current = undefined;
      if (answer.ok) current?.resolve(answer.result);
      else current?.reject(ProblemError.fromDocument(answer.problem));
      this.#dispatch();
    });
    worker.on("error", (error: Error & { code?: string }) => {
      const full = error.code === "ERR_WORKER_OUT_OF_MEMORY";
      thread.current?.reject(
        full
          ? problem("body-too-large", "The inputs take too much memory to be read.", { cause: error })
          : error,
      );
      this.#end(thread);
    });
    worker.on("exit", () => {
      thread.current?.reject(problem("shutting-down"));
      this.#end(thread);
    });
    return thread;
  }

  #end(thread: Thread): void {
    if (!this.#threads.delete(thread)) return;
    clearTimeout(thread.overdue);
    void thread.worker.terminate();
    this.#dispatch();
  }
}

const late = () => problem("deadline-exceeded", "The request waited too long to be read in time.");
