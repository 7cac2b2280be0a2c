import { FairOrder, type Ticket } from "./fair-order.ts";
import type { Job } from "./job.ts";
import { QueueLanes } from "./queue-lanes.ts";

/** Items that wait: by what may run together (lanes), and by whose turn it is (order). */
export class WorkQueue {
  readonly lanes = new QueueLanes();
  readonly order = new FairOrder<Job>();

  /** A place for a request's items. */
  open(caller: string, digest: string): Ticket<Job> {
    return this.order.open(caller, digest);
  }

  /** Lets an item wait behind the others of its request, or, where it runs again, before them. */
  add(job: Job): void {
    this.lanes.add(job);
    this.order.add(job.ticket, job, job.alone ? "first" : "last");
  }

  /** Takes out those that wait. */
  remove(jobs: readonly Job[], why: "served" | "dropped"): void {
    const waiting = jobs.filter((job) => this.order.has(job.ticket, job));
    if (waiting.length === 0) return;
    this.lanes.remove(waiting);
    for (const job of waiting) this.order.remove(job.ticket, job, why);
  }

  /** Takes out, and refuses, those whose time is over before they began. */
  dropExpired(): void {
    for (const job of this.lanes.takeExpired()) this.order.remove(job.ticket, job, "dropped");
  }
}
