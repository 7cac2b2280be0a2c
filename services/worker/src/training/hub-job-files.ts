import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import {
  ATTEMPT_HEADER,
  type Digest,
  digestOfHex,
  INTERNAL_JOB_ROUTE,
  ProblemError,
  problem,
  problemDocumentSchema,
} from "@modulehub/core";
import { Agent, request } from "undici";

/** Where what a job made is sent. */
export interface JobFiles {
  /**
   * Sends a file, and tells what it is. Throws `store-unavailable` where it can't be sent, and what the API says, such
   * as `job-not-found` for a job that has ended.
   */
  send(
    job: { job: string; attempt: string },
    path: string,
    signal: AbortSignal,
  ): Promise<{ digest: Digest; size: number }>;
}

/** Sends files of jobs to the hub's API, with the token that API and workers share. */
export function hubJobFiles(hubUrl: string, token: string): JobFiles & { close(): Promise<void> } {
  const agent = new Agent({
    connections: 4,
    connectTimeout: 5_000,
    // The API answers when it has written and hashed the file.
    headersTimeout: 300_000,
    bodyTimeout: 60_000,
  });
  return {
    async send({ job, attempt }, path, signal) {
      const hash = createHash("sha256");
      for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Buffer);
      const digest = digestOfHex(hash.digest("hex"));
      const { size } = await stat(path);
      const answer = await request(
        new URL(
          `${INTERNAL_JOB_ROUTE}${encodeURIComponent(job)}/files/${encodeURIComponent(digest)}`,
          hubUrl,
        ),
        {
          method: "PUT",
          dispatcher: agent,
          headers: {
            authorization: `Bearer ${token}`,
            "content-type": "application/octet-stream",
            "content-length": String(size),
            [ATTEMPT_HEADER]: attempt,
          },
          body: createReadStream(path),
          signal,
        },
      ).catch((cause: unknown) => {
        signal.throwIfAborted();
        throw problem("store-unavailable", "The worker can't reach the hub's API.", { retryAfter: 5, cause });
      });
      if (answer.statusCode < 300) {
        await answer.body.dump();
        return { digest, size };
      }
      const said = problemDocumentSchema.safeParse(await answer.body.json().catch(() => undefined));
      throw said.success
        ? ProblemError.fromDocument(said.data)
        : problem("store-unavailable", `The hub's API answered the worker with ${answer.statusCode}.`);
    },
    close: () => agent.destroy(),
  };
}
