import {
  type Action,
  dataReportSchema,
  digestSchema,
  JOB_KINDS,
  JOB_STATES,
  type Job,
  jobCheckpointSchema,
  jobProgressSchema,
  jobRequestSchema,
  jobResultSchema,
  problem,
  problemDocumentSchema,
  ROLES,
} from "@modulehub/core";
import { z } from "zod";
import type { Queries } from "../database/client.ts";
import type { Job as JobRow } from "../database/generated/client.ts";
import { allows, type Principal } from "../identity/principal.ts";

/** A version that a job needs: what a handle of its request stood for when it was made. */
const subjectSchema = z.object({ handle: z.string(), digest: digestSchema, versionId: z.int() });
export type Subject = z.infer<typeof subjectSchema>;

/** On whose behalf a job works: an account, and what the token could do that it was made with. */
export const jobActorSchema = z.object({
  account: z.string(),
  tokenId: z.string().exactOptional(),
  requestId: z.string().exactOptional(),
  cap: z.enum(ROLES),
  limitedTo: z.string().exactOptional(),
});
export type JobActor = z.infer<typeof jobActorSchema>;

const storedSchema = z.object({
  id: z.string(),
  kind: z.enum(JOB_KINDS),
  state: z.enum(JOB_STATES),
  publisher: z.string(),
  request: jobRequestSchema,
  subjects: z.array(subjectSchema),
  askedBy: jobActorSchema,
  attempt: z.string().nullable(),
  attempts: z.int(),
  spentMs: z.number(),
  progress: jobProgressSchema.nullable(),
  report: dataReportSchema.nullable(),
  checkpoint: jobCheckpointSchema.nullable(),
  result: jobResultSchema.nullable(),
  problem: problemDocumentSchema.nullable(),
  createdAt: z.date(),
  updatedAt: z.date(),
  startedAt: z.date().nullable(),
  endedAt: z.date().nullable(),
});
/** A job as the database has it, with its columns of JSON read. */
export type StoredJob = z.infer<typeof storedSchema>;

const parse = (row: JobRow): StoredJob =>
  storedSchema.parse({ ...row, publisher: row.publisherId, spentMs: Number(row.spentMs) });

/** Reads a job, whoever asks. Throws `job-not-found`. */
export async function readJob(queries: Queries, id: string): Promise<StoredJob> {
  const row = await queries.job.findUnique({ where: { id } });
  if (row === null) throw problem("job-not-found");
  return parse(row);
}

/**
 * Reads a job for a principal that wants to do something to it. Throws `job-not-found` where it isn't there or the
 * principal may not, the same for both.
 */
export async function findJob(
  queries: Queries,
  principal: Principal,
  action: Action,
  id: string,
): Promise<StoredJob> {
  const row = await queries.job.findUnique({ where: { id } });
  if (row === null || !allows(principal, action, { publisher: row.publisherId, visibility: "private" }))
    throw problem("job-not-found");
  return parse(row);
}

/** A job as clients see it. `remembered` is how long one is told of after its end, in seconds. */
export function describeJob(job: StoredJob, remembered: number): Job {
  const { request, state, startedAt, endedAt, checkpoint } = job;
  const publishes = request.kind === "train" ? request.publish?.module : undefined;
  return {
    id: job.id,
    kind: job.kind,
    state,
    publisher: job.publisher,
    subject: job.subjects[0]?.handle ?? "",
    ...(publishes !== undefined && { publishes }),
    createdBy: job.askedBy.account,
    createdAt: job.createdAt.toISOString(),
    ...(startedAt && { startedAt: startedAt.toISOString() }),
    ...(endedAt && {
      endedAt: endedAt.toISOString(),
      expiresAt: new Date(endedAt.getTime() + remembered * 1_000).toISOString(),
    }),
    request,
    ...(state === "running" && job.progress && { progress: job.progress }),
    ...(job.report && { report: job.report }),
    ...(job.problem && { problem: job.problem }),
    ...(job.result && { result: job.result }),
    attempts: job.attempts,
    ...(checkpoint && { checkpointStep: checkpoint.step }),
  };
}
