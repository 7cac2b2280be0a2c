import {
  ALIVE_MS,
  type JobAssignment,
  type JobMessage,
  jobMessageSchema,
  ProblemError,
  problem,
  problemDocumentSchema,
  WORKER_JOB_ROUTE,
} from "@modulehub/core";
import type { Pool } from "undici";

/** A worker that says nothing for so long, in milliseconds, has lost the job. */
const SILENCE = 6 * ALIVE_MS;

/** The longest line that is read, in characters: a result with its mistakes and a report of many classes. */
const MAX_LINE = 16_777_216;

/**
 * Has a worker do a job, and gives what it says on the way; the last is a result. Ending the iteration, or the signal,
 * cancels at the worker. Throws `worker-unavailable` where none takes it or the connection breaks off, and the problem
 * that the worker came to.
 */
export async function* jobStream(
  { pool, authorization }: { pool: Pool; authorization: string },
  assignment: JobAssignment,
  signal: AbortSignal,
): AsyncGenerator<JobMessage> {
  const gone = new AbortController();
  try {
    const answer = await pool
      .request({
        method: "POST",
        path: WORKER_JOB_ROUTE,
        headers: { authorization, "content-type": "application/json" },
        body: JSON.stringify(assignment),
        headersTimeout: SILENCE,
        bodyTimeout: SILENCE,
        signal: AbortSignal.any([signal, gone.signal]),
      })
      .catch((cause: unknown) => {
        signal.throwIfAborted();
        throw problem("worker-unavailable", "No worker takes the job.", { cause });
      });
    if (answer.statusCode !== 200) {
      const said = problemDocumentSchema.safeParse(await answer.body.json().catch(() => undefined));
      throw said.success
        ? ProblemError.fromDocument(said.data)
        : problem("worker-unavailable", `A worker answered with ${answer.statusCode}.`);
    }
    for await (const line of linesOf(answer.body, signal)) {
      const message = readMessage(line);
      if (message.message === "problem") throw ProblemError.fromDocument(message.problem);
      yield message;
      if (message.message === "result") return;
    }
    throw problem("worker-unavailable", "The worker broke off.");
  } finally {
    gone.abort();
  }
}

async function* linesOf(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const bytes of body) {
      rest += decoder.decode(bytes, { stream: true });
      for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        yield line;
      }
      if (rest.length > MAX_LINE) throw problem("internal", "A line of the worker's is too long.");
    }
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof ProblemError) throw cause;
    throw problem("worker-unavailable", "The connection to the worker broke off.", { cause });
  }
}

function readMessage(line: string): JobMessage {
  try {
    return jobMessageSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw problem("internal", "The worker said something that is not agreed.", { cause });
  }
}
