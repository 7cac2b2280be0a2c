import { PassThrough } from "node:stream";
import {
  ALIVE_MS,
  type JobMessage,
  jobAssignmentSchema,
  ProblemError,
  problem,
  WORKER_JOB_ROUTE,
} from "@modulehub/core";
import type { FastifyInstance } from "fastify";
import type { OpenRequests } from "../open-requests.ts";
import type { ThreadPool } from "../preparation/thread-pool.ts";
import { jsonBody, patienceOfHub, readBody } from "../protocols/body.ts";
import { goneSignal } from "../protocols/request-context.ts";
import type { Jobs } from "./jobs.ts";

const MAX_BYTES = 1024 * 1024;

/** A job, as lines of JSON until its result or its problem. Closing the connection gives the job up. */
export function jobRoute(
  app: FastifyInstance,
  { jobs, threads, requests }: { jobs: Jobs; threads: ThreadPool; requests: OpenRequests },
): void {
  app.post(WORKER_JOB_ROUTE, async (request, reply) => {
    jobs.checkRoom();
    const gone = goneSignal(reply);
    const parsed = jobAssignmentSchema.safeParse(
      await jsonBody(await readBody(request, MAX_BYTES), threads, patienceOfHub(gone)),
    );
    if (!parsed.success)
      throw problem("invalid-request", "The body must be a job's assignment.", { cause: parsed.error });
    // A worker that ends does not wait for jobs: others go on with them.
    requests.end(request);
    const lines = new PassThrough();
    const say = (message: JobMessage) => {
      if (!lines.writableEnded && !gone.aborted) lines.write(`${JSON.stringify(message)}\n`);
    };
    const alive = setInterval(() => say({ message: "alive" }), ALIVE_MS);
    void jobs
      .work(parsed.data, say, gone)
      .catch((error: unknown) => {
        if (gone.aborted) return;
        const known =
          error instanceof ProblemError ? error : problem("internal", undefined, { cause: error });
        const log = { err: error, cause: known.cause, job: parsed.data.job };
        if (known.status >= 500) request.log.error(log, "a job failed");
        else request.log.info(log, "a job failed");
        say({ message: "problem", problem: known.toDocument(request.id) });
      })
      .finally(() => {
        clearInterval(alive);
        lines.end();
      });
    say({ message: "alive" });
    return reply.type("application/x-ndjson").send(lines);
  });
}
