import {
  JOB_KINDS,
  JOB_STATES,
  jobProgressSchema,
  jobSchema,
  jobSummarySchema,
  LOG_LEVELS,
} from "@modulehub/core";
import { z } from "zod";

/** How far a job is; the stages of a newer hub are told as it names them. */
export const progressAnswer = jobProgressSchema.extend({ stage: z.string() });
export type JobProgress = z.infer<typeof progressAnswer>;

/** An answer about a job. What was asked for is told as it is: a newer hub may know more settings. */
export const jobAnswer = jobSchema.extend({
  request: z.looseObject({ kind: z.enum(JOB_KINDS) }),
  progress: progressAnswer.optional(),
});
/** A job, as the hub tells it. */
export type Job = z.infer<typeof jobAnswer>;

export const jobPage = z.looseObject({ items: z.array(jobSummarySchema), next: z.string().optional() });
export type JobPage = z.infer<typeof jobPage>;

const logLine = z.looseObject({ at: z.string(), level: z.enum(LOG_LEVELS), message: z.string() });
export type JobLogLine = z.infer<typeof logLine>;
export const logPage = z.looseObject({ items: z.array(logLine), next: z.string().optional() });
export type JobLogPage = z.infer<typeof logPage>;

export { JOB_KINDS, JOB_STATES, logLine };

/** Where a job is, relative to the hub's address. */
export const jobPath = (id: string): string => `v1/jobs/${encodeURIComponent(id)}`;
