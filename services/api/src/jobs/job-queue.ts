import type { FastifyBaseLogger } from "fastify";
import { fromPrisma, type JobWithMetadata, PgBoss, type SendOptions } from "pg-boss";
import type { Database, Queries } from "../database/client.ts";
import { afterClockSetBack } from "./clock-set-back.ts";

/** Seconds between looks for jobs while the database can't notify. */
const POLL = 0.5;

/**
 * Seconds between looks for jobs that no notification told of: a retry whose time has come, or one that waited for
 * another process to end one of its publisher's. Each look costs an embedded database two milliseconds.
 */
const POLL_BESIDE_NOTIFICATIONS = 2;

/** Seconds between looks for jobs, and for what should have one, that nobody works on any more. */
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

/** A head that is published if this is still its last commit. */
export interface HeadJob {
  moduleId: number;
  revision: string;
}

/** A job of a publisher (training and the like) that is to be done, or to be gone on with. */
export interface QueuedJob {
  job: string;
  signal: AbortSignal;
}

/** Who does the jobs. Handlers may be given a job again that was done already: after a crash, say. */
export interface JobHandlers {
  inspect(job: InspectionJob): Promise<void>;
  verify(job: VerificationJob): Promise<void>;
  publishHead(job: HeadJob): Promise<void>;
  /** Ends the job one way or another; what it throws has it called again, here or in another process. */
  work(job: QueuedJob): Promise<void>;
}

/** Work that outlives a request, and a process: kept in the database, tried again when it throws. */
export interface JobQueue {
  /** Adds the inspection of a draft as part of a transaction. */
  sendInspection(tx: Queries, draft: string): Promise<void>;
  /** Adds the verification of an upload as part of a transaction. */
  sendVerification(tx: Queries, upload: string): Promise<void>;
  /** Adds the publishing of a head at a time to come, as part of a transaction. */
  sendHead(tx: Queries, job: HeadJob, at: Date): Promise<void>;
  /** Adds a job of a publisher as part of a transaction. */
  sendJob(tx: Queries, job: { job: string; publisher: string }): Promise<void>;
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

/** How many jobs run at once: of one publisher wherever they run, and in this process. */
export interface JobConcurrency {
  perPublisher: number;
  here: number;
}

/** What of a job is handed on beside its data. */
interface Attempt {
  last: boolean;
  signal: AbortSignal;
}

/** One kind of job. */
interface Kind<Data extends object> {
  name: string;
  retries: { retryLimit: number; retryDelay: number; retryBackoff?: boolean };
  /** Seconds after which one that still runs counts as lost. */
  life: number;
  /** Seconds that one may wait for its turn; two weeks unless told. */
  retention?: number;
  /** How many at once in this process. */
  here: number;
  /** How many at once of one group, wherever they run. */
  groupConcurrency?: number;
  /** What should have a job and has none: see `takeUp`. */
  lost(): Promise<{ data: Data; options?: SendOptions }[]>;
  handle(handlers: JobHandlers, data: Data, attempt: Attempt): Promise<void>;
}

export function createJobQueue(
  database: Database,
  log: FastifyBaseLogger,
  retries: RetryPolicy = { limit: 4, delay: 1 },
  concurrency: JobConcurrency = { perPublisher: 1, here: 2 },
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
  const { prisma } = database;
  const again = {
    retryLimit: retries.limit,
    retryDelay: retries.delay,
    retryBackoff: retries.delay > 0,
  };

  const inspection: Kind<{ draft: string }> = {
    name: "inspect",
    retries: again,
    life: 1_200,
    here: 2,
    lost: async () => {
      const drafts = await prisma.$queryRaw<{ draft: string }[]>`
        SELECT d.id AS draft FROM draft d WHERE d.state = 'verifying' AND NOT EXISTS (
          SELECT FROM pgboss.job j
          WHERE j.name = 'inspect' AND j.state < 'completed' AND j.data->>'draft' = d.id)`;
      return drafts.map((data) => ({ data }));
    },
    handle: (handlers, data, attempt) => handlers.inspect({ ...data, ...attempt }),
  };

  const verification: Kind<{ upload: string }> = {
    name: "verify-upload",
    retries: again,
    // Reading a large file takes hours at the most.
    life: 6 * 3_600,
    here: 2,
    lost: async () => {
      const uploads = await prisma.$queryRaw<{ upload: string }[]>`
        SELECT u.id AS upload FROM upload u WHERE u.state = 'verifying' AND NOT EXISTS (
          SELECT FROM pgboss.job j
          WHERE j.name = 'verify-upload' AND j.state < 'completed' AND j.data->>'upload' = u.id)`;
      return uploads.map((data) => ({ data }));
    },
    handle: (handlers, data, attempt) => handlers.verify({ ...data, ...attempt }),
  };

  const head: Kind<HeadJob> = {
    name: "head",
    // Opening a draft needs the database only: what fails is tried for hours before it waits to be asked for.
    retries: { ...again, retryLimit: 12 },
    life: 1_200,
    here: 2,
    lost: async () => {
      const heads = await prisma.$queryRaw<(HeadJob & { publishAt: Date })[]>`
        SELECT h.module_id AS "moduleId", h.revision, h.publish_at AS "publishAt"
        FROM head h WHERE h.publish_at IS NOT NULL AND NOT EXISTS (
          SELECT FROM pgboss.job j
          WHERE j.name = 'head' AND j.state < 'completed'
            AND j.data->>'moduleId' = h.module_id::text AND j.data->>'revision' = h.revision)`;
      return heads.map(({ publishAt, ...data }) => ({ data, options: { startAfter: publishAt } }));
    },
    handle: (handlers, data) => handlers.publishHead(data),
  };

  const publisherJob: Kind<{ job: string }> = {
    name: "job",
    // The handler decides when a job has failed; what comes back from the queue was broken off.
    retries: { retryLimit: 1_000, retryDelay: 1 },
    // The longest there is. A job that takes longer is broken off, and goes on from its last checkpoint.
    life: 86_400,
    retention: 30 * 86_400,
    here: concurrency.here,
    groupConcurrency: concurrency.perPublisher,
    lost: async () => {
      const jobs = await prisma.$queryRaw<{ job: string; publisher: string }[]>`
        SELECT o.id AS job, o.publisher_id AS publisher FROM job o WHERE o.ended_at IS NULL AND NOT EXISTS (
          SELECT FROM pgboss.job j
          WHERE j.name = 'job' AND j.state < 'completed' AND j.data->>'job' = o.id)
        ORDER BY o.created_at, o.id`;
      return jobs.map(({ job, publisher }) => ({ data: { job }, options: ofPublisher(publisher) }));
    },
    handle: (handlers, data, { signal }) => handlers.work({ ...data, signal }),
  };

  const kinds = [inspection, verification, head, publisherJob];

  const send = async <Data extends object>(
    { name }: Kind<Data>,
    tx: Queries,
    data: Data,
    options: SendOptions = {},
  ): Promise<void> => {
    await boss.send(name, data, { ...options, db: fromPrisma(tx) });
  };

  return {
    sendInspection: (tx, draft) => send(inspection, tx, { draft }),
    sendVerification: (tx, upload) => send(verification, tx, { upload }),
    sendHead: (tx, job, at) => send(head, tx, job, { startAfter: at }),
    sendJob: (tx, { job, publisher }) => send(publisherJob, tx, { job }, ofPublisher(publisher)),
    async start(handlers) {
      await boss.start();
      for (const kind of kinds) await open(kind);
      started = true;
      if (database.exclusive) for (const { name } of kinds) await boss.deleteAllJobs(name);
      await takeUp();
      looking = setInterval(
        () => takeUp().catch((err: unknown) => log.warn({ err }, "what has no job is not seen")),
        LOOK_AFTER * 1_000,
      );
      await workOn(inspection, handlers);
      await workOn(verification, handlers);
      await workOn(head, handlers);
      await workOn(publisherJob, handlers);
    },
    async stop() {
      stopping.abort();
      clearInterval(looking);
      if (started) await boss.stop({ graceful: true, timeout: 5_000, close: true });
    },
  };

  async function open({ name, retries, life, retention }: (typeof kinds)[number]): Promise<void> {
    await boss.createQueue(name, { notify: true });
    await boss.updateQueue(name, {
      notify: true,
      ...retries,
      expireInSeconds: life,
      // A process that died doing a job stops beating; the job is then given to another.
      heartbeatSeconds: 20,
      deleteAfterSeconds: 3_600,
      ...(retention !== undefined && { retentionSeconds: retention }),
    });
  }

  async function workOn<Data extends object>(kind: Kind<Data>, handlers: JobHandlers): Promise<void> {
    for (let worker = 0; worker < kind.here; worker++) await addWorker(kind, handlers);
  }

  /** A worker that does one job after the other, and looks for the next as soon as one is done. */
  async function addWorker<Data extends object>(
    { name, groupConcurrency, handle }: Kind<Data>,
    handlers: JobHandlers,
  ): Promise<void> {
    const id = await boss.work(
      name,
      {
        includeMetadata: true,
        ...(groupConcurrency !== undefined && { groupConcurrency }),
        pollingIntervalSeconds: POLL,
        notifyPollingIntervalSeconds: POLL_BESIDE_NOTIFICATIONS,
      },
      async ([job]: JobWithMetadata<Data>[]) => {
        if (job === undefined) return;
        const signal = AbortSignal.any([job.signal, stopping.signal]);
        try {
          await handle(handlers, job.data, { last: job.retryCount >= job.retryLimit, signal });
        } finally {
          // Notifications of jobs that came while every worker was busy are gone.
          boss.notifyWorker(id);
        }
      },
    );
  }

  /**
   * Sends what is under way and has no job, so that it always ends: with no other process nobody can be at work at
   * the start; and a job whose processes died, or lost the database at its last try, is given up by the queue.
   */
  async function takeUp(): Promise<void> {
    await afterClockSetBack(prisma);
    for (const { name, lost } of kinds)
      for (const { data, options = {} } of await lost()) await boss.send(name, data, options);
  }
}

/** So that it waits for its turn among those of its publisher. */
const ofPublisher = (publisher: string): SendOptions => ({ group: { id: publisher } });
