import { hasEnded, type JobProgress, ProblemError } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { eventStreams, guardStream } from "../http/event-stream.ts";
import { lastLine, linesAfter } from "../jobs/job-log.ts";
import type { JobSignals } from "../jobs/job-signals.ts";
import { describeJob, findJob, readJob, type StoredJob } from "../jobs/stored-job.ts";

/** How often a watched job is looked at: other processes change it, and its draft ends it, in milliseconds. */
const LOOK_AGAIN = 1_000;

/** A job that was heard in this process so lately is at work in it, in milliseconds. */
const HEARD_LATELY = 10_000;

/** Lines of a log that are read at once. */
const LINES = 100;

/** Tells a state from the one before. */
const eventId = (job: StoredJob): string => `${job.updatedAt.getTime()}-${job.state}-${job.attempts}`;

/**
 * The way of a job as server-sent events. A reader is told the state when it connects, so that one that lost its
 * connection misses nothing; one that connects again after the end gets 204, which stops browsers.
 */
export function jobEventRoutes(
  app: App,
  { database, identity }: AppDeps,
  { signals, rememberedSeconds }: { signals: JobSignals; rememberedSeconds: number },
): void {
  const openStream = eventStreams(app);
  app.get(
    "/v1/jobs/:id/events",
    {
      exposeHeadRoute: false,
      config: { action: "job.read" },
      schema: {
        summary:
          "Server-sent events until the job has ended: `state` with the job, `progress` as it goes on, `log` with new lines",
        tags: ["jobs"],
        params: z.object({ id: z.string().max(64) }),
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const job = await findJob(database.prisma, request.principal, "job.read", id);
      if (hasEnded(job.state) && request.headers["last-event-id"] === eventId(job))
        return reply.code(204).send();
      let toldLine = await lastLine(database.prisma, id);
      const stream = openStream(request, reply);
      let [told, toldProgress, heardAt] = ["", "", Number.NEGATIVE_INFINITY];
      const tellProgress = (progress: JobProgress) => {
        const text = JSON.stringify(progress);
        if (text !== toldProgress && stream.send({ name: "progress", data: progress })) toldProgress = text;
      };
      /** Returns whether the reader has taken all there are. */
      const tellLines = async (): Promise<boolean> => {
        for (;;) {
          const lines = await linesAfter(database.prisma, id, toldLine, LINES);
          for (const { number, line } of lines) {
            if (!stream.send({ name: "log", data: line })) return false;
            toldLine = number;
          }
          if (lines.length < LINES) return true;
        }
      };
      const look = async () => {
        const now = await readJob(database.prisma, id);
        const next = eventId(now);
        const data = describeJob(now, rememberedSeconds);
        // What a job says in another process is known by the database only, which lags behind what is heard here.
        if (performance.now() - heardAt > HEARD_LATELY && data.progress !== undefined)
          tellProgress(data.progress);
        // Before the state: nobody reads on behind the last one.
        if (!(await tellLines())) return;
        if (next !== told && stream.send({ name: "state", data, id: next })) told = next;
        if (hasEnded(now.state) && told === next) stream.end();
      };
      let looking = Promise.resolve();
      const lookNext = () => {
        looking = looking.then(look).catch((err: unknown) => {
          // The reader connects again, and is then told why it can't be.
          const isGone = err instanceof ProblemError && err.code === "job-not-found";
          if (!isGone) request.log.error({ err }, "a job's events broke off");
          stream.end();
        });
      };
      const unwatch = signals.watch(id, (signal) => {
        if (signal.kind !== "progress") return lookNext();
        heardAt = performance.now();
        tellProgress(signal.progress);
      });
      stream.onCaughtUp(lookNext);
      const timer = setInterval(lookNext, LOOK_AGAIN);
      guardStream(request, stream, async () => {
        const reader = await identity.authenticate(request.headers.authorization);
        return findJob(database.prisma, reader, "job.read", id);
      });
      lookNext();
      await stream.closed;
      unwatch();
      clearInterval(timer);
    },
  );
}
