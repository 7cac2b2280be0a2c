import { randomUUID } from "node:crypto";
import type { DataReport, JobCheckpoint, JobProgress, JobResult, ProblemError } from "@modulehub/core";
import { dropReferences } from "../blobs/references.ts";
import type { Database, Queries } from "../database/client.ts";
import { inTransaction } from "../database/transaction.ts";
import { type Actor, recordAudit } from "../identity/audit.ts";
import { endDraftOf } from "./draft-of-job.ts";
import { endJob, jobJson } from "./end-job.ts";
import { endJobUploads } from "./job-uploads.ts";
import { storeEvaluation } from "./store-evaluation.ts";
import { readJob, type StoredJob } from "./stored-job.ts";

/**
 * The transitions of a job, one function each: a transaction that locks the job's row, asks whether its state allows
 * it, and changes all that belongs together. Those that a try makes name it, and change nothing once another try has
 * begun, or the job has ended: they return false then.
 *
 *     queued ─► running ─► succeeded
 *        │         ├─────► failed
 *        └─────────┴─────► cancelled
 */
export async function jobTransition<T>(
  database: Database,
  id: string,
  work: (tx: Queries, job: StoredJob) => Promise<T>,
): Promise<T> {
  return inTransaction(database, async (tx) => {
    await lockJob(tx, id);
    return work(tx, await readJob(tx, id));
  });
}

/** Before a job's draft is locked, as in every transaction that touches both. */
export const lockJob = (tx: Queries, id: string): Promise<unknown> =>
  tx.$queryRaw`SELECT 1 FROM job WHERE id = ${id} FOR UPDATE`;

/** A job at the beginning of a try. */
export interface Begun extends StoredJob {
  attempt: string;
  /** Keys of the uploads of earlier tries that have ended with it: see `discardJobUploads`. */
  uploadsEnded: string[];
}

/**
 * queued | running → running, with a new try: what an earlier one still sends is refused from then on. Undefined for
 * a job that has ended, and for one whose draft decides about it by now.
 */
export async function beginAttempt(database: Database, id: string): Promise<Begun | undefined> {
  return jobTransition(database, id, async (tx, job) => {
    if (job.endedAt !== null || (await tx.draft.findUnique({ where: { jobId: id } })) !== null)
      return undefined;
    const attempt = randomUUID();
    await tx.job.update({
      where: { id },
      data: {
        state: "running",
        attempt,
        attempts: { increment: 1 },
        ...(job.startedAt === null && { startedAt: new Date() }),
        progress: { stage: "waiting" },
      },
    });
    return { ...(await readJob(tx, id)), attempt, uploadsEnded: await endJobUploads(tx, id) };
  });
}

/** A change of a running job by one of its tries. */
const byAttempt = (
  database: Database,
  { id, attempt }: { id: string; attempt: string },
  work: (tx: Queries, job: StoredJob) => Promise<unknown>,
): Promise<boolean> =>
  jobTransition(database, id, async (tx, job) => {
    if (job.state !== "running" || job.attempt !== attempt) return false;
    await work(tx, job);
    return true;
  });

/** A try of a job: what it may change it may as long as no other has begun. */
export interface Attempt {
  id: string;
  attempt: string;
}

/** A try that was given up, because the job has ended or another try has begun: nothing of it counts any more. */
export class AttemptOver extends Error {
  override name = "AttemptOver";
}

/** Keeps a try the one that counts until the caller's transaction ends. Throws AttemptOver. */
export async function requireRunning(tx: Queries, { id, attempt }: Attempt): Promise<StoredJob> {
  await lockJob(tx, id);
  const job = await readJob(tx, id);
  if (job.state !== "running" || job.attempt !== attempt) throw new AttemptOver();
  return job;
}

/** Writes down how far a job is, and the milliseconds that it took since that was written down last. */
export async function recordProgress(
  { prisma }: Database,
  { id, attempt }: Attempt,
  progress: JobProgress,
  spentMs: number,
): Promise<void> {
  // Not `updated_at`: how far it is, watchers are told otherwise.
  await prisma.$executeRaw`
    UPDATE job SET progress = ${JSON.stringify(progress)}::jsonb, spent_ms = spent_ms + ${Math.round(spentMs)}::bigint
    WHERE id = ${id} AND attempt = ${attempt} AND state = 'running'`;
}

/** Writes down what reading the data set showed. */
export const recordReport = (database: Database, attempt: Attempt, report: DataReport): Promise<boolean> =>
  byAttempt(database, attempt, (tx) =>
    tx.job.update({ where: { id: attempt.id }, data: { report: jobJson(report) } }),
  );

/** Makes a checkpoint the one to go on from; its bytes are there, and those of the one before are let go. */
export const recordCheckpoint = (
  database: Database,
  attempt: Attempt,
  checkpoint: JobCheckpoint,
): Promise<boolean> =>
  byAttempt(database, attempt, async (tx, { id, publisher }) => {
    await dropReferences(tx, { kind: "checkpoint", id });
    // What holds it so far is the file that came with it; only the name of the holder changes.
    await tx.$executeRaw`
      UPDATE blob_reference r SET holder_kind = 'checkpoint' FROM blob b
      WHERE b.id = r.blob_id AND r.holder_kind = 'job-file' AND r.holder_id = ${id}
        AND r.publisher_id = ${publisher} AND b.digest = ${checkpoint.digest}`;
    await tx.job.update({ where: { id }, data: { checkpoint } });
  });

/** Writes down what a job came to before it is published. */
export const recordResult = (database: Database, attempt: Attempt, result: JobResult): Promise<boolean> =>
  byAttempt(database, attempt, (tx) =>
    tx.job.update({ where: { id: attempt.id }, data: { result: jobJson(result) } }),
  );

/** running → succeeded, of a job that publishes nothing. An evaluation is kept with its version from then on. */
export const succeed = (database: Database, attempt: Attempt, result: JobResult): Promise<boolean> =>
  byAttempt(database, attempt, async (tx, job) => {
    if (result.kind === "evaluate") await storeEvaluation(tx, job, result);
    await endJob(tx, job.id, { state: "succeeded", result });
  });

/** running → failed, by one of its tries. What it came to is kept, where it came so far. */
export const fail = (
  database: Database,
  attempt: Attempt,
  error: ProblemError,
  result?: JobResult,
): Promise<boolean> =>
  byAttempt(database, attempt, (tx, { id }) =>
    endJob(tx, id, { state: "failed", problem: error.toDocument(), ...(result && { result }) }),
  );

/** queued | running → cancelled, and so the draft that it publishes with. One that has ended stays as it is. */
export async function cancelJob(database: Database, actor: Actor, id: string): Promise<void> {
  await inTransaction(database, async (tx) => {
    // In the order in which publishing has them, so that the two don't wait for each other.
    await tx.$queryRaw`SELECT 1 FROM draft WHERE job_id = ${id} FOR UPDATE`;
    await lockJob(tx, id);
    const job = await readJob(tx, id);
    if (job.endedAt !== null) return;
    await endDraftOf(tx, id);
    await endJob(tx, id, { state: "cancelled" });
    const { publisher, kind } = job;
    await recordAudit(tx, actor, {
      action: "job.write",
      publisher,
      detail: { job: id, kind, state: "cancelled" },
    });
  });
}
