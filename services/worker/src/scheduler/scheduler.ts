import { createHash } from "node:crypto";
import { type Batching, binaryBytes, ProblemError, problem, type Tensor } from "@modulehub/core";
import { EngineDied, type EngineExit } from "../engines/engine.ts";
import type { EngineLease, PooledModule } from "../engines/pool.ts";
import type { Quarantine } from "../engines/quarantine.ts";
import type { Admission } from "./admission.ts";
import { type BatchLimits, formBatch, TENSOR_LIMITS, TOKEN_LIMITS, WORD_LIMITS } from "./batch-forming.ts";
import { compatible, join, lengthOf, split, type Work } from "./work.ts";

/** Where sessions come from; the engine pool. */
export interface SessionSource {
  use(module: PooledModule, signature: string): Promise<EngineLease>;
}

/** What is to be run: a signature of a module, with what inspection proved of it. */
export interface Target {
  module: PooledModule;
  signature: string;
  batching: Batching;
}

export interface Submission {
  /** Opaque name of who asks. */
  caller: string;
  /** Aborted when the client has gone: what waits is forgotten. */
  signal: AbortSignal;
  /** On performance.now()'s clock: what hasn't begun by then isn't begun. */
  deadline: number;
}

/** Told of every batch, for metrics. */
export interface BatchObserver {
  batch(seen: { items: number; cost: number; waste: number; queueMs: number; computeMs: number }): void;
}

interface Job extends Work {
  submission: Submission;
  enqueued: number;
  settled: boolean;
  resolve(fetches: Map<string, Tensor>): void;
  reject(error: Error): void;
}

interface Lane {
  target: Target;
  key: string;
  limits: BatchLimits;
  queue: Job[];
  running: boolean;
}

/**
 * Turns requests into runs. Each signature of each module has a queue; with nothing queued a request runs at
 * once, otherwise the next batch is formed when the one before is done: the oldest item and its nearest in
 * length. Only what inspection has proven to batch is batched.
 */
export class Scheduler {
  readonly #sessions: SessionSource;
  readonly #admission: Admission;
  readonly #quarantine: Quarantine;
  readonly #observer: BatchObserver;
  readonly #lanes = new Map<string, Lane>();

  constructor(deps: {
    sessions: SessionSource;
    admission: Admission;
    quarantine: Quarantine;
    observer: BatchObserver;
  }) {
    this.#sessions = deps.sessions;
    this.#admission = deps.admission;
    this.#quarantine = deps.quarantine;
    this.#observer = deps.observer;
  }

  /** Items that wait in all queues. */
  get queued(): number {
    let sum = 0;
    for (const { queue } of this.#lanes.values()) sum += queue.length;
    return sum;
  }

  /**
   * Runs the items of one request, in whatever batches; the answer has the fetches of each, in order. A request
   * is atomic: what fails one of its items fails it, and takes the others out of the queue.
   * Throws `too-many-requests`, `module-quarantined`, `module-crashed`, `deadline-exceeded`, `out-of-memory`,
   * `run-failed`; the signal's reason where it was aborted.
   */
  async submit(
    target: Target,
    items: readonly ReadonlyMap<string, Tensor>[],
    submission: Submission,
  ): Promise<Map<string, Tensor>[]> {
    const { digest } = target.module;
    this.#quarantine.check(digest, submission.caller);
    submission.signal.throwIfAborted();
    const key = `${digest} ${target.signature}`;
    const work = items.map((feeds) => ({ feeds, length: lengthOf(feeds, target.batching) }));
    const estimate = this.#admission.estimate(
      key,
      work.reduce((sum, { length }) => sum + length, 0),
    );
    this.#admission.enter(key, estimate);
    const lane = this.#lane(key, target, limitsOf(target.batching, items[0]));
    const jobs: Job[] = [];
    const forget = () => {
      for (const job of jobs) job.reject(submission.signal.reason as Error);
    };
    submission.signal.addEventListener("abort", forget, { once: true });
    try {
      const results = work.map((item) => this.#enqueue(lane, item, submission, jobs));
      void this.#drain(lane);
      return await Promise.all(results);
    } finally {
      submission.signal.removeEventListener("abort", forget);
      for (const job of jobs) job.settled = true;
      lane.queue = lane.queue.filter(({ settled }) => !settled);
      this.#admission.leave(key, estimate);
    }
  }

  #lane(key: string, target: Target, limits: BatchLimits): Lane {
    const known = this.#lanes.get(key);
    if (known) return known;
    const lane: Lane = { target, key, limits, queue: [], running: false };
    this.#lanes.set(key, lane);
    return lane;
  }

  #enqueue(lane: Lane, item: Work, submission: Submission, jobs: Job[]): Promise<Map<string, Tensor>> {
    return new Promise((resolve, reject) => {
      const job: Job = {
        ...item,
        submission,
        enqueued: performance.now(),
        settled: false,
        resolve: (fetches) => {
          job.settled = true;
          resolve(fetches);
        },
        reject: (error) => {
          job.settled = true;
          reject(error);
        },
      };
      jobs.push(job);
      lane.queue.push(job);
    });
  }

  async #drain(lane: Lane): Promise<void> {
    if (lane.running) return;
    lane.running = true;
    for (;;) {
      this.#dropExpired(lane);
      const batch = this.#takeBatch(lane);
      if (batch.length === 0) break;
      await this.#runBatch(lane, batch);
    }
    this.#lanes.delete(lane.key);
  }

  #dropExpired(lane: Lane): void {
    const now = performance.now();
    lane.queue = lane.queue.filter((job) => {
      if (!job.settled && job.submission.deadline <= now)
        job.reject(problem("deadline-exceeded", "The request waited too long to be run in time."));
      return !job.settled;
    });
  }

  #takeBatch(lane: Lane): Job[] {
    const { batching } = lane.target;
    const chosen = formBatch(
      lane.queue,
      (oldest, other) => batching !== "none" && compatible(oldest, other, batching),
      lane.limits,
    );
    const batch = chosen.map((index) => lane.queue[index]!);
    const taken = new Set(batch);
    lane.queue = lane.queue.filter((job) => !taken.has(job));
    return batch;
  }

  /** Runs a batch; never throws. Where it fails, its items are run again one by one, once. */
  async #runBatch(lane: Lane, batch: Job[]): Promise<void> {
    const { batching, module, signature } = lane.target;
    if (batch.length === 1 || batching === "none") {
      for (const job of batch) await this.#runAlone(lane, job);
      return;
    }
    let lease: EngineLease;
    try {
      lease = await this.#open(module, signature);
    } catch (error) {
      for (const job of batch) job.reject(asError(error));
      return;
    }
    let parts: Map<string, Tensor>[] | undefined;
    try {
      const fetches = await this.#timed(lane, batch, () => lease.run(join(batch, batching)));
      parts = split(fetches, batch.length, batching);
    } catch (error) {
      if (!(error instanceof EngineDied || error instanceof ProblemError)) {
        for (const job of batch) job.reject(asError(error));
        return;
      }
    } finally {
      lease.release();
    }
    for (const [index, job] of batch.entries()) {
      if (job.settled) continue;
      const part = parts?.[index];
      if (part) job.resolve(part);
      else await this.#runAlone(lane, job);
    }
  }

  async #runAlone(lane: Lane, job: Job): Promise<void> {
    const { module, signature } = lane.target;
    for (let attempt = 1; !job.settled; attempt++) {
      try {
        const lease = await this.#open(module, signature);
        try {
          job.resolve(await this.#timed(lane, [job], () => lease.run(job.feeds)));
        } finally {
          lease.release();
        }
      } catch (error) {
        // An engine may also be killed from outside, or to make room: one crash is not held against the input.
        const again =
          error instanceof EngineDied && (error.exit.kind === "crash" || error.exit.kind === "killed");
        if (again && attempt === 1) continue;
        if (error instanceof EngineDied && error.during === "run" && error.exit.kind !== "killed")
          this.#quarantine.blame(module.digest, { input: hashOf(job.feeds), caller: job.submission.caller });
        job.reject(asError(error));
      }
    }
  }

  /** Opens the session. An engine that dies of loading is tried once more, then blamed on the module. */
  async #open(module: PooledModule, signature: string): Promise<EngineLease> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#sessions.use(module, signature);
      } catch (error) {
        if (!(error instanceof EngineDied)) throw error;
        if (attempt === 1 && (error.exit.kind === "crash" || error.exit.kind === "killed")) continue;
        if (error.during === "load" && error.exit.kind !== "killed")
          this.#quarantine.blame(module.digest, { input: "load", caller: "" });
        throw deathProblem(error);
      }
    }
  }

  async #timed<T>(lane: Lane, batch: Job[], run: () => Promise<T>): Promise<T> {
    const started = performance.now();
    const result = await run();
    const computeMs = performance.now() - started;
    const longest = Math.max(...batch.map(({ length }) => length));
    const cost = longest * batch.length;
    this.#admission.learn(lane.key, computeMs, cost);
    this.#observer.batch({
      items: batch.length,
      cost,
      waste: 1 - batch.reduce((sum, { length }) => sum + length, 0) / cost,
      queueMs: started - Math.min(...batch.map(({ enqueued }) => enqueued)),
      computeMs,
    });
    return result;
  }
}

function limitsOf(batching: Batching, feeds: ReadonlyMap<string, Tensor> | undefined): BatchLimits {
  if (batching !== "none" && Object.keys(batching.pad).length > 0) return TOKEN_LIMITS;
  const texts = [...(feeds?.values() ?? [])].some(({ dtype }) => dtype === "string");
  return texts ? WORD_LIMITS : TENSOR_LIMITS;
}

const DEATHS: Record<EngineExit["kind"], () => ProblemError> = {
  timeout: () => problem("deadline-exceeded", "The module ran longer than it may."),
  memory: () => problem("out-of-memory", "The module took more memory than one engine may."),
  killed: () =>
    problem("worker-unavailable", "The engine was ended while it worked; try again.", { retryAfter: 1 }),
  crash: () => problem("module-crashed"),
};

function deathProblem(error: EngineDied): ProblemError {
  if (error.during === "start" && error.exit.kind !== "killed")
    return problem("worker-unavailable", "No engine could be started.", { retryAfter: 5, cause: error });
  return DEATHS[error.exit.kind]();
}

function asError(error: unknown): Error {
  if (error instanceof EngineDied) return deathProblem(error);
  return error instanceof Error ? error : new Error(String(error));
}

/** Tells inputs apart, for the quarantine. */
function hashOf(feeds: ReadonlyMap<string, Tensor>): string {
  const hash = createHash("sha256");
  for (const [name, tensor] of feeds)
    hash.update(`${name} ${tensor.dtype} ${tensor.shape}\n`).update(binaryBytes(tensor));
  return hash.digest("hex");
}
