import type { FastifyBaseLogger } from "fastify";
import { fromPrisma, type JobWithMetadata, PgBoss } from "pg-boss";
import type { Database, Queries } from "../database/client.ts";

const INSPECT = "inspect";
/** Training, evaluation and ranking. */
const JOB = "job";

/** Seconds between looks for jobs that no notification told of. */
const POLL = 0.5;

export interface InspectionJob {
  draft: string;
  /** Whether a failure now is the last: there are no retries after it. */
  last: boolean;
  signal: AbortSignal;
}

/** A job that is to be done, or to be gone on with. */
export interface QueuedJob {
  job: string;
  signal: AbortSignal;
}

export interface Handlers {
  inspect: (job: InspectionJob) => Promise<void>;
  /** Ends the job one way or another; what it throws has it called again, here or in another process. */
  work: (job: QueuedJob) => Promise<void>;
}

/** Work that outlives a request, and a process: kept in the database, tried again when it throws. */
export interface JobQueue {
  /** Adds the inspection of a draft as part of a transaction. */
  sendInspection(tx: Queries, draft: string): Promise<void>;
  /** Adds a job of a publisher as part of a transaction. */
  sendJob(tx: Queries, job: { job: string; publisher: string }): Promise<void>;
  /** Begins to work. Handlers may be given a job again that was done already: after a crash, say. */
  start(handlers: Handlers): Promise<void>;
  /** Stops taking jobs; one that runs is tried again by the next process. */
  stop(): Promise<void>;
}

export interface RetryPolicy {
  /** Tries after the first. */
  limit: number;
  /** Seconds before the first retry; each next waits about twice as long. */
  delay: number;
}

/** How many jobs run at once: of one publisher wherever they run, and in this process. */
export interface JobConcurrency {
  perPublisher: number;
  here: number;
}

export function createJobQueue(
  database: Database,
  log: FastifyBaseLogger,
  retries: RetryPolicy = { limit: 4, delay: 1 },
  concurrency: JobConcurrency = { perPublisher: 1, here: 2 },
): JobQueue {
  const boss = new PgBoss({ ...database.jobOptions, useListenNotify: true, schedule: false });
  boss.on("error", (err) => log.error({ err }, "job queue"));
  boss.on("warning", (warning) => log.warn({ warning }, "job queue"));
  const stopping = new AbortController();
  let started = false;
  const polling = {
    includeMetadata: true,
    // A notification wakes for one job; a retry, or a job that came while all were busy, has none.
    pollingIntervalSeconds: POLL,
    notifyPollingIntervalSeconds: POLL,
  } as const;

  return {
    async sendInspection(tx, draft) {
      await boss.send(INSPECT, { draft }, { db: fromPrisma(tx) });
    },
    async sendJob(tx, { job, publisher }) {
      await boss.send(JOB, { job }, { db: fromPrisma(tx), group: { id: publisher } });
    },
    async start(handlers) {
      await boss.start();
      await boss.createQueue(INSPECT, { notify: true });
      await boss.updateQueue(INSPECT, {
        notify: true,
        retryLimit: retries.limit,
        retryDelay: retries.delay,
        retryBackoff: retries.delay > 0,
        expireInSeconds: 1_200,
        // A process that died doing a job stops beating; the job is then given to another.
        heartbeatSeconds: 20,
        deleteAfterSeconds: 3_600,
      });
      await boss.createQueue(JOB, { notify: true });
      await boss.updateQueue(JOB, {
        notify: true,
        // The handler decides when a job has failed; what comes back from the queue was broken off.
        retryLimit: 1_000,
        retryDelay: 1,
        // The longest there is. A job that takes longer is broken off, and goes on from its last checkpoint.
        expireInSeconds: 86_400,
        heartbeatSeconds: 20,
        retentionSeconds: 30 * 86_400,
        deleteAfterSeconds: 3_600,
      });
      started = true;
      if (database.exclusive) await sendAgain();
      await boss.work(
        INSPECT,
        { ...polling, localConcurrency: 2 },
        async ([job]: JobWithMetadata<{ draft: string }>[]) => {
          if (job === undefined) return;
          const signal = AbortSignal.any([job.signal, stopping.signal]);
          await handlers.inspect({ draft: job.data.draft, last: job.retryCount >= job.retryLimit, signal });
        },
      );
      await boss.work(
        JOB,
        { ...polling, localConcurrency: concurrency.here, groupConcurrency: concurrency.perPublisher },
        async ([job]: JobWithMetadata<{ job: string }>[]) => {
          if (job === undefined) return;
          const signal = AbortSignal.any([job.signal, stopping.signal]);
          await handlers.work({ job: job.data.job, signal });
        },
      );
    },
    async stop() {
      stopping.abort();
      if (started) await boss.stop({ graceful: true, timeout: 5_000, close: true });
    },
  };

  /** With no other process there can be nobody at work: what was under way is taken up at once. */
  async function sendAgain(): Promise<void> {
    await boss.deleteAllJobs(INSPECT);
    const drafts = await database.prisma.draft.findMany({
      where: { state: "verifying" },
      select: { id: true },
    });
    for (const { id } of drafts) await boss.send(INSPECT, { draft: id });
    await boss.deleteAllJobs(JOB);
    const jobs = await database.prisma.job.findMany({
      where: { endedAt: null },
      orderBy: [{ createdAt: "asc" }, { id: "asc" }],
      select: { id: true, publisherId: true },
    });
    for (const { id, publisherId } of jobs) await boss.send(JOB, { job: id }, { group: { id: publisherId } });
  }
}
