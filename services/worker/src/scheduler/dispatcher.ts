import type { Tensor } from "@modulehub/core";
import type { Quarantine } from "../engines/quarantine.ts";
import { type BatchLimits, formBatch } from "./batch-forming.ts";
import { BatchSizes } from "./batch-sizes.ts";
import { traceBatch } from "./batch-spans.ts";
import type { CostModel, RunMode } from "./cost-model.ts";
import { asError, blameItem, mayBeOneOfThem, openTwice, runsAgain } from "./crash-rules.ts";
import type { EngineSource } from "./engine-source.ts";
import type { Ticket } from "./fair-order.ts";
import { costKeyOf, costOf, isBackground, type Job, type Lane, type Submission, type Target } from "./job.ts";
import { ShortWork } from "./short-work.ts";
import { type Run, type RunRole, Slots } from "./slots.ts";
import { join, split } from "./work.ts";
import { WorkQueue } from "./work-queue.ts";

/** What was seen of a batch, for metrics. */
export interface BatchSeen {
  mode: RunMode;
  role: RunRole;
  items: number;
  cost: number;
  waste: number;
  queueMs: number;
  computeMs: number;
}

export interface BatchObserver {
  batch(seen: BatchSeen): void;
}

export interface DispatcherDeps {
  engines: EngineSource;
  quarantine: Quarantine;
  costs: CostModel;
  observer: BatchObserver;
  cores: number;
}

/** What is to be run next, and how. */
interface Plan {
  mode: RunMode;
  role: RunRole;
  cores: number;
  batch: Job[];
}

/** A module gets an extra engine once so much work has waited for one, in milliseconds of one core. */
const GROW_MS = 30;

/** Work is shared out to several cores only where it takes longer than this, in milliseconds. */
const WORTH_SHARING_MS = 4;

/** A run's end says for so long how many requests there are at a time, in milliseconds. */
const CROWD_MS = 20;

/** So long after somebody asked, background work expects the next to ask. */
const QUIET_MS = 1_000;

/** A batch that passes others is at most this part of the largest. */
const PASSING_PART = 4;

/**
 * Decides what runs, where and when, for all modules together. The machine's cores are slots. With one thing to do
 * a run takes all of them, in the module's wide engine; with more, each core has a run of its own in a narrow one,
 * side by side, which is where throughput comes from. Engines start when work has waited for them.
 *
 * Background work (`Submission.priority`) waits in a queue of its own. It runs behind everything else on the machine,
 * and only while no other work waits and a core is free: one batch at a time while people ask, and one a core once
 * nobody has for a while.
 */
export class Dispatcher {
  /** Requests that have been let in and not answered, those in the background not counted. */
  requests = 0;
  readonly slots: Slots;
  /** What people wait for. */
  readonly queue = new WorkQueue();
  readonly #background = new WorkQueue();
  readonly #deps: DispatcherDeps;
  readonly #short = new ShortWork();
  readonly #sizes = new BatchSizes();
  readonly #opening = new Map<string, Promise<void>>();
  /** Work that ran in a wide engine for want of a narrow one, by module. */
  readonly #wanted = new Map<string, number>();
  #crowd = { requests: 0, until: 0 };
  /** When somebody last asked, by `performance.now()`. */
  #asked = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  /** When deadlines are looked at again, by `performance.now()`, if nothing else makes us look before. */
  #expiry: { at: number; timer: NodeJS.Timeout } | undefined;

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
    this.slots = new Slots(deps.cores);
  }

  /**
   * Begins to open what items of a target will need, where it isn't open: while they are being prepared. Undefined
   * where it is; rejects with what its requests are told.
   */
  prefetch(target: Target): Promise<void> | undefined {
    const costKey = costKeyOf(target);
    if (this.#deps.engines.isOpen(target.module.digest, target.signature)) return undefined;
    return this.#open({ target, costKey });
  }

  /** A place for a request's items. */
  open(submission: Submission, digest: string): Ticket<Job> {
    return this.#queueOf({ submission }).open(submission.caller, digest);
  }

  /** Lets items wait; `wake` runs them. */
  add(jobs: readonly Job[]): void {
    for (const job of jobs) this.#queueOf(job).add(job);
    const waitedFor = jobs.filter((job) => !isBackground(job));
    if (waitedFor.length === 0) return;
    this.#asked = performance.now();
    if (this.slots.free > 0) return;
    const short = Map.groupBy(
      waitedFor.filter((job) => this.#isShort(job)),
      ({ lane }) => lane,
    );
    for (const [lane, items] of short) this.#short.came(this.#passingMs(lane, items));
  }

  #isShort({ lane, length }: Job): boolean {
    return this.#short.isShort(this.#deps.costs.coreMs(lane.costKey, length));
  }

  /** Milliseconds of one core that items of a lane take where they pass: in runs on all cores, of several where they may. */
  #passingMs({ costKey, limits }: Lane, items: readonly Job[]): number {
    const { maxItems, maxCost } = passingLimits(limits);
    let length = 0;
    for (const item of items) length += item.length;
    const least = maxItems < 2 ? items.length : Math.max(items.length / maxItems, length / maxCost);
    const runs = Math.min(items.length, Math.ceil(least));
    return runs * this.#deps.costs.runMs(costKey, "wide", length / runs) * this.slots.cores;
  }

  /** Forgets those of one submission's items that wait. */
  drop(jobs: readonly Job[]): void {
    const [first] = jobs;
    if (first) this.#queueOf(first).remove(jobs, "dropped");
  }

  /** Starts whatever can be started now. */
  wake(): void {
    for (const queue of [this.queue, this.#background]) queue.dropExpired();
    for (let plan = this.#plan(); plan; plan = this.#plan()) this.#start(plan);
    const passing = this.#passing();
    if (passing) this.#start(passing);
    for (let left = this.#inBackground(); left; left = this.#inBackground()) this.#start(left);
    this.#ask();
    this.#watchQuantum();
    this.#watchDeadlines();
  }

  #queueOf(job: Pick<Job, "submission">): WorkQueue {
    return isBackground(job) ? this.#background : this.queue;
  }

  /** Whose turn it is, among those for whom there are cores and an engine. */
  #plan(): Plan | undefined {
    const { free, cores } = this.slots;
    if (free <= 0) return undefined;
    let plan: Plan | undefined;
    this.queue.order.next((job) => {
      plan = this.#planFor(job, free, free === cores);
      return plan !== undefined;
    });
    return plan;
  }

  #planFor(job: Job, free: number, idle: boolean): Plan | undefined {
    const { engines } = this.#deps;
    const { module, signature } = job.lane.target;
    const can = (mode: RunMode) => engines.canClaim(module.digest, signature, mode);
    const wide = can("wide");
    if (wide && idle && !this.#isCrowded()) {
      const batch = this.#form(job, 1);
      if (batch.length === this.queue.order.waiting)
        return { mode: "wide", role: "main", cores: free, batch };
    }
    if (can("narrow")) return { mode: "narrow", role: "main", cores: 1, batch: this.#form(job, free) };
    return wide ? { mode: "wide", role: "main", cores: free, batch: this.#form(job, 1) } : undefined;
  }

  /**
   * Whether others are about to ask again: a wide run for each in turn gives less than narrow ones side by side, as
   * soon as there are more than about half as many of them as cores.
   */
  #isCrowded(): boolean {
    const { requests, until } = this.#crowd;
    return performance.now() < until && requests > Math.max(1, 0.6 * this.slots.cores);
  }

  /** Short work that may pass the batches which hold all cores. */
  #passing(): Plan | undefined {
    const { engines } = this.#deps;
    const { order } = this.queue;
    if (order.waiting === 0 || this.slots.free > 0 || this.slots.count("passing") > 0 || !this.#short.mayPass)
      return undefined;
    const job = order.next(
      (each) =>
        this.#isShort(each) &&
        engines.canClaim(each.lane.target.module.digest, each.lane.target.signature, "wide"),
    );
    if (!job) return undefined;
    const { queue, limits } = job.lane;
    const batch = formed(
      job,
      queue.filter((each) => this.#isShort(each)),
      passingLimits(limits),
    );
    return { mode: "wide", role: "passing", cores: 0, batch };
  }

  /** The next batch of background work, where all other work leaves room for it. It takes no core from that. */
  #inBackground(): Plan | undefined {
    if (this.#background.order.waiting === 0 || this.queue.order.waiting > 0) return undefined;
    if (this.slots.free <= 0 || !this.#mayAddBackground()) return undefined;
    const { engines } = this.#deps;
    let plan: Plan | undefined;
    this.#background.order.next((job) => {
      const { module, signature } = job.lane.target;
      // Whoever asks the module meanwhile finds its wide engine at rest, where it may have another.
      const mode = (["narrow", "wide"] as const).find((each) =>
        engines.canClaim(module.digest, signature, each),
      );
      if (mode === "wide" && engines.mayGrow(module)) return false;
      if (mode) plan = { mode, role: "background", cores: 0, batch: this.#form(job, 1) };
      return plan !== undefined;
    });
    return plan;
  }

  /** Whether another batch of background work may run beside those that do. */
  #mayAddBackground(): boolean {
    const quiet = this.requests === 0 && performance.now() - this.#asked > QUIET_MS;
    return this.slots.count("background") < (quiet ? this.slots.cores : 1);
  }

  /** The batch around a job; where several cores are free, no more than one core's share of what waits. */
  #form(job: Job, shares: number): Job[] {
    const { queue, costKey, key } = job.lane;
    let most = Number.POSITIVE_INFINITY;
    if (shares > 1) {
      let length = 0;
      for (const waiting of queue) length += waiting.length;
      if (this.#deps.costs.runMs(costKey, "narrow", length) >= WORTH_SHARING_MS) most = length / shares;
    }
    return this.#sizes.form(key, job.lane.limits, (limits) =>
      formed(job, queue, { ...limits, maxCost: Math.min(limits.maxCost, most) }),
    );
  }

  #start({ mode, role, cores, batch }: Plan): void {
    const { engines, costs } = this.#deps;
    const [{ lane }] = batch as [Job];
    const { module, signature } = lane.target;
    const lease = engines.claim(module.digest, signature, mode);
    if (!lease) throw new Error("an engine that could be claimed was not there");
    this.#queueOf(batch[0]!).remove(batch, "served");
    if (role === "background") lease.lower("background");
    if (mode === "wide" && cores > 0 && this.queue.order.waiting > 0) this.#want(module.digest, batch);
    const expectedMs = costs.runMs(lane.costKey, mode, costOf(batch));
    const started = performance.now();
    for (const job of batch) {
      job.begun?.(started - job.enqueued);
      job.begun = undefined;
    }
    const run: Run = { lane, batch, lease, role, cores, started, expectedMs, overstays: false };
    this.slots.runs.add(run);
    void this.#execute(run);
  }

  async #execute(run: Run): Promise<void> {
    const { lane, batch, lease } = run;
    const { batching } = lane.target;
    let parts: Map<string, Tensor>[] | undefined;
    let failure: unknown;
    try {
      if (batching === "none" || batch.length === 1) parts = [await lease.run(batch[0]!.feeds)];
      else parts = split(await lease.run(join(batch, batching)), batch.length, batching);
      this.#measured(run);
    } catch (error) {
      failure = error;
    }
    lease.release();
    this.slots.runs.delete(run);
    this.#crowd = { requests: this.requests, until: performance.now() + CROWD_MS };
    const failed = parts ? undefined : this.#again(batch, failure);
    // The engine has its next batch before answers are written: that takes longer than forming one.
    this.wake();
    for (const [index, job] of batch.entries()) {
      const part = parts?.[index];
      if (part) job.resolve(part);
      else if (failed?.has(job)) job.reject(asError(failure));
    }
  }

  /** Lets items of a failed batch wait again, those that may; returns the others. */
  #again(batch: readonly Job[], failure: unknown): Set<Job> {
    const failed = new Set<Job>();
    for (const job of batch) {
      if (job.settled) continue;
      // Without a failure the answer wasn't a row for each item: the proof is wrong for these.
      const again =
        batch.length > 1 ? failure === undefined || mayBeOneOfThem(failure) : runsAgain(job, failure);
      if (again) {
        job.alone = true;
        this.#queueOf(job).add(job);
      } else {
        if (batch.length === 1) blameItem(this.#deps.quarantine, job, failure);
        failed.add(job);
        // Its request has failed: nobody waits for the rest of it.
        this.drop([...job.ticket.share.items]);
      }
    }
    return failed;
  }

  #measured({ lane, batch, lease, role, cores, started, overstays }: Run): void {
    const { costs, observer } = this.#deps;
    const ended = performance.now();
    const milliseconds = ended - started;
    const cost = costOf(batch);
    let length = 0;
    let oldest = started;
    for (const job of batch) {
      length += job.length;
      oldest = Math.min(oldest, job.enqueued);
    }
    // What shared its cores took longer than it would have, and an engine's first run longer than any after it.
    if (!overstays && cores > 0 && !lease.fresh) {
      costs.learn(lane.costKey, {
        mode: lease.mode,
        cost,
        longest: cost / batch.length,
        length,
        milliseconds,
        cores,
      });
      this.#short.ran(milliseconds, cores);
      if (lease.mode === "narrow") this.#sizes.ran(lane.key, batch, length, milliseconds);
    }
    const waste = 1 - length / cost;
    traceBatch(batch, { mode: lease.mode, started, ended, waste });
    observer.batch({
      mode: lease.mode,
      role,
      items: batch.length,
      cost,
      waste,
      queueMs: started - oldest,
      computeMs: milliseconds,
    });
  }

  /** Opens what is waited for and isn't open, and asks for more engines where work waits beside free cores. */
  #ask(): void {
    const { engines } = this.#deps;
    for (const lane of this.queue.lanes.waiting()) {
      const { module, signature } = lane.target;
      if (!engines.isOpen(module.digest, signature)) void this.#open(lane);
      else if (this.slots.free > 0) this.#want(module.digest, lane.queue);
      if ((this.#wanted.get(module.digest) ?? 0) >= GROW_MS) this.#grow(lane);
    }
    if (this.queue.order.waiting > 0) return;
    this.#wanted.clear();
    for (const lane of this.#background.lanes.waiting()) {
      const { module, signature } = lane.target;
      if (!engines.isOpen(module.digest, signature)) void this.#open(lane);
      else if (this.#mayAddBackground()) this.#grow(lane);
    }
  }

  /** Asks for one more engine of a module. */
  #grow({ target: { module, signature } }: Lane): void {
    const growing = this.#deps.engines.grow(module, signature);
    if (!growing) return;
    this.#wanted.delete(module.digest);
    void growing.then(() => this.wake());
  }

  #want(digest: string, jobs: readonly Job[]): void {
    let sum = this.#wanted.get(digest) ?? 0;
    for (const { workMs } of jobs) sum += workMs;
    this.#wanted.set(digest, sum);
  }

  /** Opens a session for all who wait for it; those whose items wait are told where it can't be. */
  #open({ target: { module, signature }, costKey }: Pick<Lane, "target" | "costKey">): Promise<void> {
    const known = this.#opening.get(costKey);
    if (known) return known;
    const { engines, quarantine } = this.#deps;
    const opening = openTwice(quarantine, module.digest, () => engines.open(module, signature));
    this.#opening.set(costKey, opening);
    opening.then(
      () => {
        this.#opening.delete(costKey);
        this.wake();
      },
      (error: unknown) => {
        this.#opening.delete(costKey);
        // Extra engines that are open go on without the first.
        if (engines.canClaim(module.digest, signature, "narrow")) return;
        for (const queue of [this.queue, this.#background]) {
          const waiting = queue.lanes.of(costKey);
          queue.remove(waiting, "dropped");
          for (const job of waiting) job.reject(asError(error));
        }
      },
    );
    return opening;
  }

  /** Looks again when a run will have had its cores long enough. */
  #watchQuantum(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { order, lanes } = this.queue;
    if (order.waiting === 0 || this.slots.runs.size === 0) return;
    const { taken, nextMs } = this.slots.takeBack((digest) => lanes.othersWait(digest));
    if (taken) queueMicrotask(() => this.wake());
    else if (Number.isFinite(nextMs)) this.#timer = setTimeout(() => this.wake(), nextMs + 1);
  }

  /**
   * Looks again when the first deadline of what waits is over, whatever runs or is being opened until then. A look that
   * was meant for what has begun meanwhile stays: it costs less than putting it off each time.
   */
  #watchDeadlines(): void {
    const at = Math.min(this.queue.lanes.earliest, this.#background.lanes.earliest);
    if (at === Infinity || (this.#expiry && this.#expiry.at <= at)) return;
    clearTimeout(this.#expiry?.timer);
    const look = () => {
      this.#expiry = undefined;
      this.wake();
    };
    this.#expiry = { at, timer: setTimeout(look, Math.max(0, at - performance.now()) + 1).unref() };
  }
}

const passingLimits = (limits: BatchLimits): BatchLimits => ({
  ...limits,
  maxCost: limits.maxCost / PASSING_PART,
});

/** A batch around a job from those that wait in its lane. */
const formed = (job: Job, queue: readonly Job[], limits: BatchLimits): Job[] =>
  job.alone
    ? [job]
    : formBatch(job, queue.some(({ alone }) => alone) ? queue.filter(({ alone }) => !alone) : queue, limits);
