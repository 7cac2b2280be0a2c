import {
  type InspectRequest,
  type InspectResponse,
  inspectResponseSchema,
  type JobAssignment,
  type JobMessage,
  type ProblemDocument,
  ProblemError,
  problem,
  problemDocumentSchema,
  WORKER_HEADERS,
  WORKER_ROUTES,
} from "@modulehub/core";
import { Pool } from "undici";
import { jobStream } from "./job-stream.ts";

/** Longer than any inspection may take: a worker ends those itself, and says why. */
const INSPECTION_TIMEOUT = 15 * 60_000;

/** The workers, behind one address. */
export interface WorkerClient {
  /** Connections to the workers, for the gateway to stream through. */
  readonly pool: Pool;
  /** What the gateway sends as `Authorization`. */
  readonly authorization: string;
  /** Throws unless a worker says that it is ready. */
  check(): Promise<void>;
  /** Has a version inspected. Throws `worker-unavailable`, or the 5xx problem that the worker answered. */
  inspect(request: InspectRequest, signal: AbortSignal): Promise<InspectResponse>;
  /** Has a job done, and gives what the worker says of it; the last is a result. Throws as `jobStream` does. */
  work(assignment: JobAssignment, signal: AbortSignal): AsyncGenerator<JobMessage>;
  close(): Promise<void>;
}

/** Connects to the workers at a URL. Nothing is sent before it is needed. */
export function connectWorker(options: { url: string; token: string; deadline?: number }): WorkerClient {
  const deadline = options.deadline ?? 300_000;
  const pool = new Pool(options.url, {
    // No limit on connections: each lasts as long as its client's body does, and a few hundred clients that
    // send slowly would keep all others from the workers. What comes in is limited where it comes in.
    connections: null,
    pipelining: 1,
    connect: { timeout: 2_000 },
    headersTimeout: deadline,
    bodyTimeout: deadline,
  });
  const authorization = `Bearer ${options.token}`;
  return {
    pool,
    authorization,
    async check() {
      const answer = await pool.request({
        method: "GET",
        path: "/health/ready",
        headersTimeout: 2_000,
        bodyTimeout: 2_000,
      });
      await answer.body.dump();
      if (answer.statusCode !== 200) throw problem("worker-unavailable");
    },
    async inspect(request, signal) {
      const answer = await pool
        .request({
          method: "POST",
          path: WORKER_ROUTES.inspect,
          headers: {
            authorization,
            "content-type": "application/json",
            [WORKER_HEADERS.digest]: request.digest,
          },
          body: JSON.stringify(request),
          headersTimeout: INSPECTION_TIMEOUT,
          bodyTimeout: INSPECTION_TIMEOUT,
          signal,
        })
        .catch((cause: unknown) => {
          throw problem("worker-unavailable", "No worker could inspect the module.", { cause });
        });
      const body = await answer.body.json().catch((cause: unknown) => {
        throw problem("worker-unavailable", "The worker broke off while it inspected.", { cause });
      });
      if (answer.statusCode !== 200) throw problemOf(body);
      const parsed = inspectResponseSchema.safeParse(body);
      if (!parsed.success)
        throw problem("internal", "The worker's inspection is not of the agreed form.", {
          cause: parsed.error,
        });
      return parsed.data;
    },
    work: (assignment, signal) => jobStream({ pool, authorization }, assignment, signal),
    close: () => pool.destroy(),
  };
}

function problemOf(body: unknown): ProblemError {
  const parsed = problemDocumentSchema.safeParse(body);
  if (!parsed.success) return problem("worker-unavailable", "The worker answered with an unknown error.");
  const document: ProblemDocument = parsed.data;
  if (document.status === 401 || document.status === 403)
    return problem(
      "worker-unavailable",
      "The worker does not accept the hub's token; give both the same one.",
    );
  return ProblemError.fromDocument(document);
}
