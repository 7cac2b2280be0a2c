import type { RunMode } from "./cost-model.ts";
import type { Job } from "./job.ts";

/** What became of a batch, on the clock of `performance.now()`. */
export interface BatchTimes {
  mode: RunMode;
  started: number;
  ended: number;
  /** Part of the batch that was padding. */
  waste: number;
}

/** Tells each request that had items in a batch what it waited for and how it ran, once. */
export function traceBatch(batch: readonly Job[], { mode, started, ended, waste }: BatchTimes): void {
  const told = new Set<Job["submission"]>();
  for (const { submission, enqueued } of batch) {
    if (submission.span === undefined || told.has(submission)) continue;
    told.add(submission);
    submission.span.part("queue", enqueued, started);
    submission.span.part("compute", started, ended, {
      "modulehub.mode": mode,
      "modulehub.batch.items": batch.length,
      "modulehub.batch.padding": waste,
    });
  }
}
