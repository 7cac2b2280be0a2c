import { setTimeout as sleep } from "node:timers/promises";
import { type JobTask, type ProblemCode, ProblemError, problem } from "@modulehub/core";
import type { FastifyBaseLogger } from "fastify";
import type { BlobStore } from "../blobs/blob-store.ts";
import { storedBlob } from "../blobs/references.ts";
import type { Database } from "../database/client.ts";
import { signalWhen } from "../database/row-news.ts";
import type { WorkerClient } from "../gateway/worker-client.ts";
import { actingFor } from "../identity/acting-for.ts";
import type { DraftEvents } from "../publish/draft-events.ts";
import { attemptJob } from "./attempt.ts";
import { addLogLine } from "./job-log.ts";
import type { JobMetrics } from "./job-metrics.ts";
import type { JobQueue, QueuedJob } from "./job-queue.ts";
import type { JobSignals } from "./job-signals.ts";
import { discardJobUploads } from "./job-uploads.ts";
import { cardFor } from "./module-card.ts";
import { readJob, type StoredJob } from "./stored-job.ts";
import { checkSubjects } from "./subjects.ts";
import { type Attempt, AttemptOver, beginAttempt, fail } from "./transitions.ts";

export interface RunDeps {
  database: Database;
  store: BlobStore;
  worker: WorkerClient;
  jobs: JobQueue;
  signals: JobSignals;
  draftEvents: DraftEvents;
  metrics: JobMetrics;
  log: FastifyBaseLogger;
  /** The most that a job may take, in seconds, not counting what it waits. */
  mostSeconds: number;
  /** Milliseconds before a job is tried again; each next wait is twice as long, up to `longestWait`. */
  firstWait: number;
  longestWait: number;
}

/** What passes by itself: the job waits, however often it meets it. */
const PASSING: ReadonlySet<ProblemCode> = new Set([
  "worker-unavailable",
  "store-unavailable",
  "database-unavailable",
  "shutting-down",
  "too-many-requests",
  "out-of-memory",
]);

/** Other faults than these, without a checkpoint between them, end a job. */
const STRIKES = 3;

/**
 * The job that does jobs: begins one, or goes on with it from its last checkpoint, until it has ended or its draft
 * decides about it. What is the fault of the data, the settings or the modules fails it at once; what passes is waited
 * for. May be called for a job that somebody else is at: the later one goes on, the earlier one's words count no more.
 */
export async function runJob(deps: RunDeps, { job: id, signal }: QueuedJob): Promise<void> {
  const { database, signals, log } = deps;
  let strikes = 0;
  let step: number | undefined;
  for (let wait = deps.firstWait; ; wait = Math.min(deps.longestWait, wait * 2)) {
    const job = await beginAttempt(database, id).catch(ignoreForgotten);
    if (job === undefined) return;
    await discardJobUploads(deps.store, job.uploadsEnded).catch((err: unknown) =>
      log.warn({ err, job: id }, "what earlier tries were sending is left for a collection"),
    );
    signals.tell(id, { kind: "changed" });
    const watch = watchForEnd(deps, job);
    const started = performance.now();
    try {
      await attemptJob(deps, job, await taskOf(deps, job), AbortSignal.any([signal, watch.signal]));
      signals.tell(id, { kind: "changed" });
      return;
    } catch (error) {
      if (watch.signal.aborted || error instanceof AttemptOver) return;
      if (signal.aborted) throw error;
      const known = error instanceof ProblemError ? error : problem("internal", undefined, { cause: error });
      const now = (await readJob(database.prisma, id)).checkpoint?.step;
      strikes = now === step ? strikes : 0;
      step = now;
      if (!PASSING.has(known.code)) strikes += 1;
      const hopeless = known.status < 500 && !PASSING.has(known.code);
      if (hopeless || strikes >= STRIKES) {
        log.info({ err: error, job: id }, "a job failed");
        await fail(database, job, known);
        signals.tell(id, { kind: "changed" });
        return;
      }
      log.warn({ err: error, job: id }, "a job was broken off, and is tried again");
      await addLogLine(database.prisma, id, "warn", `Broken off: ${known.message} It will be tried again.`);
      // A try that went on for long was no sign that it is hopeless to come back soon.
      if (performance.now() - started > deps.longestWait) wait = deps.firstWait;
    } finally {
      watch.end();
    }
    await sleep(wait, undefined, { signal });
  }
}

/** A job that was forgotten with its publisher. */
const ignoreForgotten = (error: unknown): undefined => {
  if (error instanceof ProblemError && error.code === "job-not-found") return undefined;
  throw error;
};

/** A signal that is given when the try is not the job's any more: it was cancelled, or somebody else is at it. */
function watchForEnd({ database, signals, log }: RunDeps, { id, attempt }: Attempt) {
  const isSo = async () => {
    const row = await database.prisma.job.findUnique({ where: { id }, select: { attempt: true } });
    return row?.attempt !== attempt;
  };
  return signalWhen({ database, log, news: signals, id, isSo, reason: () => new AttemptOver() });
}

/** What a worker is told to do. Throws as `actingFor` and `checkSubjects` do. */
async function taskOf({ database }: RunDeps, job: StoredJob): Promise<JobTask> {
  const principal = await actingFor(database.prisma, job.askedBy);
  const { yanked } = await checkSubjects(database.prisma, principal, job);
  if (job.attempts === 1)
    for (const handle of yanked)
      await addLogLine(database.prisma, job.id, "warn", `${handle} is yanked; it serves on for this job.`);
  const { request, subjects } = job;
  const versions = subjects.map(({ handle, digest }) => ({ handle, digest }));
  const [first] = versions;
  if (first === undefined) throw new Error(`Job ${job.id} names no module.`);
  const blob = await storedBlob(database.prisma, request.dataSet.digest);
  if (blob === undefined) throw new Error(`Job ${job.id} has lost its data set.`);
  const dataSet = { ...request.dataSet, size: blob.size };
  switch (request.kind) {
    case "rank":
      return {
        kind: "rank",
        candidates: versions,
        dataSet,
        examples: request.examples,
        metric: request.metric,
      };
    case "evaluate":
      return { kind: "evaluate", module: first, dataSet };
    case "train":
      return {
        kind: "train",
        base: first,
        dataSet,
        settings: request.settings,
        ...(request.epochs !== undefined && { epochs: request.epochs }),
        ...(request.requireAccuracy !== undefined && { requireAccuracy: request.requireAccuracy }),
        ...(request.publish !== undefined && { card: await cardFor(database.prisma, job, request.publish) }),
        ...(job.checkpoint !== null && { checkpoint: job.checkpoint }),
      };
  }
}
