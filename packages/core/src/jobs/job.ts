import { z } from "zod";
import { dataReportSchema } from "../data-report.ts";
import { problemDocumentSchema } from "../problem-document.ts";
import { JOB_KINDS, jobRequestSchema } from "./request.ts";
import { jobResultSchema } from "./result.ts";

/** A job as it can be watched. */

/**
 *     queued ─► running ─► succeeded
 *        │         ├─────► failed       the data's, the settings' or the world's fault: `problem` says which
 *        └─────────┴─────► cancelled
 *
 * One whose worker or API died is running still, and goes on from its last checkpoint.
 */
export const JOB_STATES = ["queued", "running", "succeeded", "failed", "cancelled"] as const;
export type JobState = (typeof JOB_STATES)[number];

/** Whether nothing more happens to a job. */
export const hasEnded = (state: JobState): boolean => state !== "queued" && state !== "running";

/** What a running job does, in this order. `waiting`: no worker takes it at the moment. */
export const JOB_STAGES = [
  "waiting",
  "fetching",
  "reading",
  "embedding",
  "training",
  "evaluating",
  "composing",
  "publishing",
] as const;
export type JobStage = (typeof JOB_STAGES)[number];

/** How far a job is. */
export const jobProgressSchema = z.object({
  stage: z.enum(JOB_STAGES),
  /** Bytes, examples or steps, of so many in this stage. */
  done: z.number().optional(),
  total: z.number().optional(),
  /** Of `rank`: which candidate. */
  of: z.string().optional(),
  /** While training: mean over the last steps. */
  loss: z.number().optional(),
  validationLoss: z.number().optional(),
  validationAccuracy: z.number().optional(),
  learningRate: z.number().optional(),
  examplesPerSecond: z.number().optional(),
});
export type JobProgress = z.infer<typeof jobProgressSchema>;

export const LOG_LEVELS = ["info", "warn", "error"] as const;
/** A line of a job's log. It may quote the data, so only the publisher's writers see it. */
export const jobLogLineSchema = z.object({
  at: z.string(),
  level: z.enum(LOG_LEVELS),
  message: z.string().max(2000),
});
export type JobLogLine = z.infer<typeof jobLogLineSchema>;

/** A job in a list: everything but its request and its result. */
export const jobSummarySchema = z.object({
  id: z.string(),
  kind: z.enum(JOB_KINDS),
  state: z.enum(JOB_STATES),
  publisher: z.string(),
  /** What it is about: the base, the module, or the first candidate. */
  subject: z.string(),
  /** Where it publishes to. */
  publishes: z.string().optional(),
  /** Code of what it failed with. */
  problem: z.string().optional(),
  /** Handle of what it published. */
  published: z.string().optional(),
  createdBy: z.string().optional(),
  createdAt: z.string(),
  startedAt: z.string().optional(),
  endedAt: z.string().optional(),
});
export type JobSummary = z.infer<typeof jobSummarySchema>;

/** A job, to be watched: what `GET /v1/jobs/{id}` answers, and the data of the event `state`. */
export const jobSchema = jobSummarySchema.omit({ problem: true, published: true }).extend({
  request: jobRequestSchema,
  /** While it runs. */
  progress: jobProgressSchema.optional(),
  /** Once the data set was read. */
  report: dataReportSchema.optional(),
  /** Of a job that failed. */
  problem: problemDocumentSchema.optional(),
  /** Of a job that succeeded; of one that failed at `requireAccuracy`, what it came to. */
  result: jobResultSchema.optional(),
  /** How often it was begun; more than once after a crash. */
  attempts: z.int().min(0),
  /** The step that it would go on from. */
  checkpointStep: z.int().optional(),
  /** When it is forgotten, of one that has ended. */
  expiresAt: z.string().optional(),
});
export type Job = z.infer<typeof jobSchema>;

/**
 * The events of `GET /v1/jobs/{id}/events`: `state` with the job when it changes (and at once, to whoever connects),
 * `progress` as it goes on, `log` with each line from then on.
 */
export type JobEvent =
  | { event: "state"; data: Job }
  | { event: "progress"; data: JobProgress }
  | { event: "log"; data: JobLogLine };
