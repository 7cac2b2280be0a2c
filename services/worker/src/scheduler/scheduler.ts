import type { Digest, Tensor } from "@modulehub/core";
import type { Quarantine } from "../engines/quarantine.ts";
import { Admission } from "./admission.ts";
import { CostModel } from "./cost-model.ts";
import { asError } from "./crash-rules.ts";
import { type BatchObserver, Dispatcher } from "./dispatcher.ts";
import type { EngineSource } from "./engine-source.ts";
import { costKeyOf, costKeysOf, type Job, laneFor, type Submission, type Target } from "./job.ts";
import { lengthOf } from "./work.ts";

export type { BatchObserver, BatchSeen } from "./dispatcher.ts";
export type { Submission, Target } from "./job.ts";

export interface SchedulerDeps {
  engines: EngineSource;
  quarantine: Quarantine;
  observer: BatchObserver;
  /** Cores that runs may use. */
  cores: number;
  /** Milliseconds that a request may wait for others, by estimate. */
  longestWaitMs: number;
}

/**
 * Turns requests into runs: lets in what can begin soon, queues its items, and gives the answers back. What runs
 * when is the dispatcher's decision, whose turn it is the fair order's, what runs together the batch former's.
 */
export class Scheduler {
  readonly #deps: SchedulerDeps;
  readonly #costs = new CostModel();
  readonly #dispatcher: Dispatcher;
  readonly #admission: Admission;

  constructor(deps: SchedulerDeps) {
    this.#deps = deps;
    this.#dispatcher = new Dispatcher({ ...deps, costs: this.#costs });
    const { order } = this.#dispatcher.queue;
    const backlog = {
      get waiting() {
        return order.waiting;
      },
      workUntilDone: (caller: string, ms: number) => order.workUntilDone(caller, ms),
      runningMs: () => this.#dispatcher.slots.leftMs(),
    };
    this.#admission = new Admission(backlog, deps.cores, deps.longestWaitMs);
  }

  /** Items that wait. */
  get queued(): number {
    return this.#dispatcher.queue.order.waiting;
  }

  /** Milliseconds of one core that they are estimated to take. */
  get queuedMs(): number {
    return this.#dispatcher.queue.order.waitingMs;
  }

  /** Cores that runs use now. */
  get busyCores(): number {
    return this.#deps.cores - this.#dispatcher.slots.free;
  }

  /** Throws `too-many-requests` where no request of the caller for a module could be let in now, however small. */
  checkRoom(digest: Digest, asker: Submission): void {
    if (asker.priority === "background") return;
    this.#admission.check(asker, 0, this.#costs.mostTrust(costKeysOf(digest)));
  }

  /**
   * Begins to open a module while a request's items are being prepared. Returns a look at what became of it so far,
   * which throws where it can't be opened.
   */
  prefetch(target: Target): () => void {
    let failure: unknown;
    this.#dispatcher.prefetch(target)?.catch((error: unknown) => {
      failure = error;
    });
    return () => {
      if (failure !== undefined) throw asError(failure);
    };
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
    this.#deps.quarantine.check(digest, submission.caller);
    submission.signal.throwIfAborted();
    const costKey = costKeyOf(target);
    const mates = target.batching === "none" ? "alone" : "with mates";
    const work = items.map((feeds) => {
      const length = lengthOf(feeds, target.batching);
      return { feeds, length, workMs: this.#costs.workMs(costKey, length, mates) };
    });
    const ms = work.reduce((sum, { workMs }) => sum + workMs, 0);
    const inBackground = submission.priority === "background";
    if (!inBackground) this.#admission.check(submission, ms, this.#costs.trust(costKey));
    const dispatcher = this.#dispatcher;
    // Of a request of many items the wait of each says little.
    const begun = inBackground || work.length > 1 ? undefined : this.#admission.letIn(submission.caller, ms);
    const letGo = this.#deps.engines.hold(digest);
    const ticket = dispatcher.open(submission, digest);
    const enqueued = performance.now();
    const jobs: Job[] = [];
    const results = work.map(
      (item) =>
        new Promise<Map<string, Tensor>>((resolve, reject) => {
          const lane = laneFor(target, item.feeds);
          const state = { alone: false, deaths: 0, settled: false };
          jobs.push({ ...item, ...state, lane, ticket, submission, enqueued, begun, resolve, reject });
        }),
    );
    const forget = () => {
      for (const job of jobs) job.reject(submission.signal.reason as Error);
    };
    submission.signal.addEventListener("abort", forget, { once: true });
    if (!inBackground) dispatcher.requests += 1;
    try {
      dispatcher.add(jobs);
      dispatcher.wake();
      return await Promise.all(results);
    } finally {
      if (!inBackground) dispatcher.requests -= 1;
      submission.signal.removeEventListener("abort", forget);
      for (const job of jobs) job.settled = true;
      dispatcher.drop(jobs);
      letGo();
    }
  }
}
