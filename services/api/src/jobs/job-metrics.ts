import { JOB_KINDS, JOB_STATES, type JobKind, type JobProgress } from "@modulehub/core";
import { Counter, Gauge, type Registry } from "prom-client";
import type { Database } from "../database/client.ts";

/** What Prometheus is told of jobs. */
export interface JobMetrics {
  /** A job went on within a stage, or to the next. */
  progressed(job: { kind: JobKind }, before: JobProgress | undefined, now: JobProgress): void;
  /** Seconds that a job was worked at in a stage. */
  spent(job: { kind: JobKind }, stage: JobProgress["stage"], seconds: number): void;
}

/** Stages whose `done` counts examples. */
const EXAMPLES: ReadonlySet<JobProgress["stage"]> = new Set(["embedding", "evaluating"]);

export function createJobMetrics(registry: Registry, { prisma }: Database): JobMetrics {
  new Gauge({
    name: "modulehub_jobs",
    help: "Jobs that are remembered, by kind and state.",
    labelNames: ["kind", "state"],
    registers: [registry],
    async collect() {
      const rows = await prisma.job.groupBy({ by: ["kind", "state"], _count: true });
      const counts = new Map(rows.map(({ kind, state, _count }) => [`${kind} ${state}`, _count]));
      for (const kind of JOB_KINDS)
        for (const state of JOB_STATES) this.set({ kind, state }, counts.get(`${kind} ${state}`) ?? 0);
    },
  });
  const seconds = new Counter({
    name: "modulehub_job_seconds_total",
    help: "Seconds that jobs were worked at, by kind and stage.",
    labelNames: ["kind", "stage"],
    registers: [registry],
  });
  const examples = new Counter({
    name: "modulehub_job_examples_total",
    help: "Examples that jobs embedded or evaluated, by kind and stage.",
    labelNames: ["kind", "stage"],
    registers: [registry],
  });
  return {
    progressed({ kind }, before, now) {
      if (!EXAMPLES.has(now.stage)) return;
      const isSame = before?.stage === now.stage && before.of === now.of;
      const more = (now.done ?? 0) - (isSame ? (before.done ?? 0) : 0);
      if (more > 0) examples.inc({ kind, stage: now.stage }, more);
    },
    spent({ kind }, stage, value) {
      seconds.inc({ kind, stage }, value);
    },
  };
}
