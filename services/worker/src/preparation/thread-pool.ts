import { Worker } from "node:worker_threads";
import { ProblemError, problem } from "@modulehub/core";
import type { ThreadAnswer, ThreadJob, ThreadResults } from "./thread-job.ts";

export interface ThreadPoolOptions {
  threads: number;
  /** A job that takes longer loses its thread. */
  jobMs: number;
  /** Megabytes of heap of a thread; a job that needs more loses it. */
  heapMegabytes: number;
}

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
  #queue: Waiting[] = [];
  #closed = false;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
  }

  /** Does a job. Throws what the job throws, and `deadline-exceeded` or `out-of-memory` where it was ended. */
  run<J extends ThreadJob>(key: string, job: J): Promise<ThreadResults[J["kind"]]> {
    return new Promise((resolve, reject) => {
      this.#queue.push({
        key,
        job,
        resolve: (result) => resolve(result as ThreadResults[J["kind"]]),
        reject,
      });
      this.#dispatch();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const waiting of this.#queue.splice(0)) waiting.reject(problem("shutting-down"));
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #dispatch(): void {
    for (;;) {
      const next = this.#queue.findIndex(
        ({ key }) => this.#held(key) < Math.max(1, this.#options.threads - 1),
      );
      const thread = next < 0 ? undefined : this.#idleThread();
      if (!thread) return;
      const [waiting] = this.#queue.splice(next, 1);
      this.#begin(thread, waiting!);
    }
  }

  #held(key: string): number {
    return [...this.#threads].filter(({ current }) => current?.key === key).length;
  }

  #idleThread(): Thread | undefined {
    if (this.#closed) return undefined;
    for (const thread of this.#threads) if (!thread.current) return thread;
    return this.#threads.size < this.#options.threads ? this.#start() : undefined;
  }

  #begin(thread: Thread, waiting: Waiting): void {
    thread.current = waiting;
    thread.overdue = setTimeout(() => {
      waiting.reject(problem("deadline-exceeded", "Reading the inputs took too long."));
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
