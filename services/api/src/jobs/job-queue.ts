import type { FastifyBaseLogger } from "fastify";
import { fromPrisma, type Job, type JobWithMetadata, PgBoss } from "pg-boss";
import type { Database, Queries } from "../database/client.ts";

const INSPECT = "inspect";
const HEAD = "head";

/** Seconds between looks for jobs that no notification told of. */
const POLL = 0.5;

/** Opening a draft needs the database only: what fails is tried for hours before it waits to be asked for. */
const HEAD_RETRIES = 12;

export interface InspectionJob {
  draft: string;
  /** Whether a failure now is the last: there are no retries after it. */
  last: boolean;
  signal: AbortSignal;
}

/** A head that is published if this is still its last commit. */
export interface HeadJob {
  moduleId: number;
  revision: string;
}

/** Work that outlives a request, and a process: kept in the database, tried again when it throws. */
export interface JobQueue {
  /** Adds the inspection of a draft as part of a transaction. */
  sendInspection(tx: Queries, draft: string): Promise<void>;
  /** Adds the publishing of a head at a time to come, as part of a transaction. */
  sendHead(tx: Queries, job: HeadJob, at: Date): Promise<void>;
  /** Begins to work. Handlers may be given a job again that was done already: after a crash, say. */
  start(handlers: JobHandlers): Promise<void>;
  /** Stops taking jobs; one that runs is tried again by the next process. */
  stop(): Promise<void>;
}

export interface JobHandlers {
  inspect: (job: InspectionJob) => Promise<void>;
  publishHead: (job: HeadJob) => Promise<void>;
}

export interface RetryPolicy {
  /** Tries after the first. */
  limit: number;
  /** Seconds before the first retry; each next waits about twice as long. */
  delay: number;
}

export function createJobQueue(
  database: Database,
  log: FastifyBaseLogger,
  retries: RetryPolicy = { limit: 4, delay: 1 },
): JobQueue {
  const boss = new PgBoss({ ...database.jobOptions, useListenNotify: true, schedule: false });
  boss.on("error", (err) => log.error({ err }, "job queue"));
  boss.on("warning", (warning) => log.warn({ warning }, "job queue"));
  const stopping = new AbortController();
  let started = false;

  return {
    async sendInspection(tx, draft) {
      await boss.send(INSPECT, { draft }, { db: fromPrisma(tx) });
    },
    async sendHead(tx, job, at) {
      await boss.send(HEAD, job, { db: fromPrisma(tx), startAfter: at });
    },
    async start(handlers) {
      await boss.start();
      for (const queue of [INSPECT, HEAD]) {
        await boss.createQueue(queue, { notify: true });
        await boss.updateQueue(queue, {
          notify: true,
          retryLimit: queue === HEAD ? HEAD_RETRIES : retries.limit,
          retryDelay: retries.delay,
          retryBackoff: retries.delay > 0,
          expireInSeconds: 1_200,
          // A process that died doing a job stops beating; the job is then given to another.
          heartbeatSeconds: 20,
          deleteAfterSeconds: 3_600,
        });
      }
      started = true;
      if (database.exclusive) await sendAgain();
      await boss.work(
        INSPECT,
        {
          includeMetadata: true,
          localConcurrency: 2,
          // A notification wakes for one job; a retry, or a job that came while all were busy, has none.
          pollingIntervalSeconds: POLL,
          notifyPollingIntervalSeconds: POLL,
        },
        async ([job]: JobWithMetadata<{ draft: string }>[]) => {
          if (job === undefined) return;
          const signal = AbortSignal.any([job.signal, stopping.signal]);
          await handlers.inspect({ draft: job.data.draft, last: job.retryCount >= job.retryLimit, signal });
        },
      );
      await boss.work(
        HEAD,
        { localConcurrency: 2, pollingIntervalSeconds: POLL, notifyPollingIntervalSeconds: POLL },
        async ([job]: Job<HeadJob>[]) => {
          if (job !== undefined) await handlers.publishHead(job.data);
        },
      );
    },
    async stop() {
      stopping.abort();
      if (started) await boss.stop({ graceful: true, timeout: 5_000, close: true });
    },
  };

  /** With no other process there can be nobody at work: what was being verified is taken up at once. */
  async function sendAgain(): Promise<void> {
    await boss.deleteAllJobs(INSPECT);
    const drafts = await database.prisma.draft.findMany({
      where: { state: "verifying" },
      select: { id: true },
    });
    for (const { id } of drafts) await boss.send(INSPECT, { draft: id });
    await boss.deleteAllJobs(HEAD);
    const heads = await database.prisma.head.findMany({ where: { publishAt: { not: null } } });
    for (const { moduleId, revision, publishAt } of heads)
      if (publishAt !== null) await boss.send(HEAD, { moduleId, revision }, { startAfter: publishAt });
  }
}
