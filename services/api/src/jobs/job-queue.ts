import type { FastifyBaseLogger } from "fastify";
import { fromPrisma, type JobWithMetadata, PgBoss } from "pg-boss";
import type { Database, Queries } from "../database/client.ts";

const INSPECT = "inspect";

/** Seconds between looks for jobs that no notification told of. */
const POLL = 0.5;

export interface InspectionJob {
  draft: string;
  /** Whether a failure now is the last: there are no retries after it. */
  last: boolean;
  signal: AbortSignal;
}

/** Work that outlives a request, and a process: kept in the database, tried again when it throws. */
export interface JobQueue {
  /** Adds the inspection of a draft as part of a transaction. */
  sendInspection(tx: Queries, draft: string): Promise<void>;
  /** Begins to work. Handlers may be given a job again that was done already: after a crash, say. */
  start(handlers: { inspect: (job: InspectionJob) => Promise<void> }): Promise<void>;
  /** Stops taking jobs; one that runs is tried again by the next process. */
  stop(): Promise<void>;
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
  }
}
