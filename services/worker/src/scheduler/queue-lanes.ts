import { problem } from "@modulehub/core";
import type { Job, Lane } from "./job.ts";

/** The lanes in which something waits. */
export class QueueLanes {
  readonly #lanes = new Map<string, Lane>();

  /** The lane of that name in which things wait, else this one. */
  known(fresh: Lane): Lane {
    return this.#lanes.get(fresh.key) ?? fresh;
  }

  /** Lets an item wait behind those of its lane; one that runs again, before them. */
  add(job: Job): void {
    job.lane = this.known(job.lane);
    this.#lanes.set(job.lane.key, job.lane);
    if (job.alone) job.lane.queue.unshift(job);
    else job.lane.queue.push(job);
    job.lane.earliest = Math.min(job.lane.earliest, job.submission.deadline);
  }

  /** Takes out items that wait: one pass over each of their lanes, however many they are, as far as the last of them. */
  remove(jobs: readonly Job[]): void {
    const gone = new Set(jobs);
    const counts = new Map<Lane, number>();
    for (const { lane } of gone) counts.set(lane, (counts.get(lane) ?? 0) + 1);
    for (const [lane, count] of counts) {
      takeOut(lane.queue, gone, count);
      if (lane.queue.length === 0) this.#lanes.delete(lane.key);
    }
  }

  waiting(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** What waits for one signature of a module. */
  of(costKey: string): Job[] {
    return [...this.#lanes.values()].flatMap((lane) => (lane.costKey === costKey ? lane.queue : []));
  }

  /** Whether work of another module waits. */
  othersWait(digest: string): boolean {
    for (const { target } of this.#lanes.values()) if (target.module.digest !== digest) return true;
    return false;
  }

  /** A moment before which no deadline of those that wait is over; Infinity where none will be. */
  get earliest(): number {
    let earliest = Infinity;
    for (const lane of this.#lanes.values()) earliest = Math.min(earliest, lane.earliest);
    return earliest;
  }

  /** Takes out, and refuses, those whose time is over before they began: each request has a deadline of its own. */
  takeExpired(): Job[] {
    const now = performance.now();
    const expired: Job[] = [];
    for (const lane of this.#lanes.values()) {
      if (lane.earliest > now) continue;
      lane.earliest = Infinity;
      for (const job of lane.queue) {
        const { deadline } = job.submission;
        if (deadline <= now) expired.push(job);
        else lane.earliest = Math.min(lane.earliest, deadline);
      }
    }
    if (expired.length === 0) return expired;
    this.remove(expired);
    for (const job of expired)
      job.reject(problem("deadline-exceeded", "The request waited too long to be run in time."));
    return expired;
  }
}

/** Takes `count` items that are among those gone out of a queue. */
function takeOut(queue: Job[], gone: ReadonlySet<Job>, count: number): void {
  let [seen, kept] = [0, 0];
  for (let left = count; left > 0 && seen < queue.length; seen++) {
    const job = queue[seen]!;
    if (gone.has(job)) left -= 1;
    else queue[kept++] = job;
  }
  queue.splice(kept, seen - kept);
}
