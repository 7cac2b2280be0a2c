import type { Readable } from "node:stream";
import {
  contentSchema,
  handleMeaningSchema,
  INTERNAL_ROUTES,
  type ProblemCode,
  problem,
} from "@modulehub/core";
import { Agent, request } from "undici";
import { asBrokenOff, type ModuleSource } from "./source.ts";

/** The most that a description of a version's files may take, in bytes. */
const MAX_CONTENT_BYTES = 32 * 1024 * 1024;

/**
 * A module source that asks the hub's API with the token that API and workers share.
 *
 * @param batching whether what was proven of modules is told; without it nothing is batched
 */
export function hubSource(
  hubUrl: string,
  token: string,
  batching = true,
): ModuleSource & { close(): Promise<void> } {
  const agent = new Agent({
    connections: 8,
    connectTimeout: 5000,
    headersTimeout: 30_000,
    bodyTimeout: 60_000,
  });
  const get = async (path: string, signal: AbortSignal, missing: ProblemCode): Promise<Readable> => {
    let answer: Awaited<ReturnType<typeof request>>;
    try {
      answer = await request(new URL(path, hubUrl), {
        dispatcher: agent,
        headers: { authorization: `Bearer ${token}` },
        signal,
      });
    } catch (cause) {
      signal.throwIfAborted();
      throw problem("store-unavailable", "The worker can't reach the hub's API.", { retryAfter: 5, cause });
    }
    if (answer.statusCode === 200) return answer.body;
    await answer.body.dump();
    if (answer.statusCode === 404 || answer.statusCode === 410) throw problem(missing);
    throw problem("store-unavailable", `The hub's API answered the worker with ${answer.statusCode}.`, {
      retryAfter: 5,
    });
  };
  return {
    content: async (digest, signal) => {
      const body = await get(
        INTERNAL_ROUTES.contents + encodeURIComponent(digest),
        signal,
        "version-not-found",
      );
      const content = contentSchema.parse(JSON.parse(await text(body, signal)));
      return batching ? content : { ...content, batching: {} };
    },
    blob: (digest, signal) =>
      get(INTERNAL_ROUTES.blobs + encodeURIComponent(digest), signal, "blob-not-found"),
    resolve: async (handle, signal) => {
      const path = `${INTERNAL_ROUTES.resolve}?handle=${encodeURIComponent(handle)}`;
      const body = await get(path, signal, "version-not-found");
      return handleMeaningSchema.parse(JSON.parse(await text(body, signal))).digest;
    },
    close: () => agent.destroy(),
  };
}

async function text(body: Readable, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.byteLength;
      if (length > MAX_CONTENT_BYTES) throw problem("internal", "The list of a version's files is too long.");
      chunks.push(chunk);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw asBrokenOff(error);
  }
  return Buffer.concat(chunks).toString("utf8");
}
