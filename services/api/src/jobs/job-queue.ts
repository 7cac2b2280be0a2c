import type { FastifyBaseLogger } from "fastify";
import { fromPrisma, type JobWithMetadata, PgBoss } from "pg-boss";
import type { Database, Queries } from "../database/client.ts";

const INSPECT = "inspect";
const VERIFY = "verify-upload";

/** Seconds after which a job that still runs counts as lost: no inspection, and no reading of a large file, takes longer. */
const INSPECTION_LIFE = 1_200;
const VERIFICATION_LIFE = 6 * 3_600;

/** Seconds between looks for jobs that no notification told of. */
const POLL = 0.5;

export interface InspectionJob {
  draft: string;
  /** Whether a failure now is the last: there are no retries after it. */
  last: boolean;
  signal: AbortSignal;
}

export interface VerificationJob {
  upload: string;
  /** Whether a failure now is the last: there are no retries after it. */
  last: boolean;
  signal: AbortSignal;
}

/** Who does the jobs. Handlers may be given a job again that was done already: after a crash, say. */
export interface JobHandlers {
  inspect(job: InspectionJob): Promise<void>;
  verify(job: VerificationJob): Promise<void>;
}

/** Work that outlives a request, and a process: kept in the database, tried again when it throws. */
export interface JobQueue {
  /** Adds the inspection of a draft as part of a transaction. */
  sendInspection(tx: Queries, draft: string): Promise<void>;
  /** Adds the verification of an upload as part of a transaction. */
  sendVerification(tx: Queries, upload: string): Promise<void>;
  /** Begins to work. */
  start(handlers: JobHandlers): Promise<void>;
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
    async sendVerification(tx, upload) {
      await boss.send(VERIFY, { upload }, { db: fromPrisma(tx) });
    },
    async start(handlers) {
      await boss.start();
      await openQueue(INSPECT, INSPECTION_LIFE);
      await openQueue(VERIFY, VERIFICATION_LIFE);
      started = true;
      if (database.exclusive) await sendAgain();
      await work<{ draft: string }>(INSPECT, ({ draft }, rest) => handlers.inspect({ draft, ...rest }));
      await work<{ upload: string }>(VERIFY, ({ upload }, rest) => handlers.verify({ upload, ...rest }));
    },
    async stop() {
      stopping.abort();
      if (started) await boss.stop({ graceful: true, timeout: 5_000, close: true });
    },
  };

  async function openQueue(name: string, life: number): Promise<void> {
    await boss.createQueue(name, { notify: true });
    await boss.updateQueue(name, {
      notify: true,
      retryLimit: retries.limit,
      retryDelay: retries.delay,
      retryBackoff: retries.delay > 0,
      expireInSeconds: life,
      // A process that died doing a job stops beating; the job is then given to another.
      heartbeatSeconds: 20,
      deleteAfterSeconds: 3_600,
    });
  }

  async function work<T extends object>(
    name: string,
    handle: (data: T, rest: { last: boolean; signal: AbortSignal }) => Promise<void>,
  ): Promise<void> {
    await boss.work(
      name,
      {
        includeMetadata: true,
        localConcurrency: 2,
        // A notification wakes for one job; a retry, or a job that came while all were busy, has none.
        pollingIntervalSeconds: POLL,
        notifyPollingIntervalSeconds: POLL,
      },
      async ([job]: JobWithMetadata<T>[]) => {
        if (job === undefined) return;
        const signal = AbortSignal.any([job.signal, stopping.signal]);
        await handle(job.data, { last: job.retryCount >= job.retryLimit, signal });
      },
    );
  }

  /** With no other process there can be nobody at work: what was being verified is taken up at once. */
  async function sendAgain(): Promise<void> {
    const verifying = { where: { state: "verifying" }, select: { id: true } };
    await boss.deleteAllJobs(INSPECT);
    for (const { id } of await database.prisma.draft.findMany(verifying))
      await boss.send(INSPECT, { draft: id });
    await boss.deleteAllJobs(VERIFY);
    for (const { id } of await database.prisma.upload.findMany(verifying))
      await boss.send(VERIFY, { upload: id });
  }
}
