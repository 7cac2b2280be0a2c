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

/** Seconds between looks for jobs, and what should have one, that nobody works on any more. */
const LOOK_AFTER = 10;

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
  const boss = new PgBoss({
    ...database.jobOptions,
    useListenNotify: true,
    schedule: false,
    // How soon the jobs of a process that died are found: by default a minute after their last beat.
    superviseIntervalSeconds: LOOK_AFTER,
    monitorIntervalSeconds: LOOK_AFTER,
  });
  boss.on("error", (err) => log.error({ err }, "job queue"));
  boss.on("warning", (warning) => log.warn({ warning }, "job queue"));
  const stopping = new AbortController();
  let started = false;
  let looking: NodeJS.Timeout | undefined;

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
      if (database.exclusive) for (const name of [INSPECT, VERIFY]) await boss.deleteAllJobs(name);
      await takeUp();
      looking = setInterval(
        () => takeUp().catch((err: unknown) => log.warn({ err }, "what has no job is not seen")),
        LOOK_AFTER * 1_000,
      );
      await work<{ draft: string }>(INSPECT, ({ draft }, rest) => handlers.inspect({ draft, ...rest }));
      await work<{ upload: string }>(VERIFY, ({ upload }, rest) => handlers.verify({ upload, ...rest }));
    },
    async stop() {
      stopping.abort();
      clearInterval(looking);
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

  /**
   * Sends what is being verified and has no job, so that it always ends: with no other process nobody can be at work
   * at the start; and a job whose processes died, or lost the database at its last try, is given up by the queue.
   */
  async function takeUp(): Promise<void> {
    const drafts = await database.prisma.$queryRaw<{ id: string }[]>`
      SELECT d.id FROM draft d WHERE d.state = 'verifying' AND NOT EXISTS (
        SELECT FROM pgboss.job j
        WHERE j.name = ${INSPECT} AND j.state < 'completed' AND j.data->>'draft' = d.id)`;
    for (const { id } of drafts) await boss.send(INSPECT, { draft: id });
    const uploads = await database.prisma.$queryRaw<{ id: string }[]>`
      SELECT u.id FROM upload u WHERE u.state = 'verifying' AND NOT EXISTS (
        SELECT FROM pgboss.job j
        WHERE j.name = ${VERIFY} AND j.state < 'completed' AND j.data->>'upload' = u.id)`;
    for (const { id } of uploads) await boss.send(VERIFY, { upload: id });
  }
}
