import type { IncomingHttpHeaders } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  BINARY_HEADER,
  type ModuleName,
  ProblemError,
  problem,
  TIMEOUT_HEADER,
  WORKER_HEADERS,
} from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Resolution } from "../registry/resolver.ts";
import type { WorkerClient } from "./worker-client.ts";

/** What a worker reads of a client's headers, and a client of a worker's. */
const REQUEST_HEADERS = ["content-type", "content-length", "accept", BINARY_HEADER, TIMEOUT_HEADER] as const;
const ANSWER_HEADERS = [
  "content-type",
  "content-length",
  "retry-after",
  "server-timing",
  BINARY_HEADER,
] as const;

/**
 * Passes a request to the workers and the answer back: nothing is parsed, what isn't small is
 * streamed, and nothing is tried again, for a run that was begun may not be run twice. When the client goes
 * away, so does the request to the worker.
 *
 * Throws, before anything was answered: `body-too-large`, by the announced length or as soon as more bytes
 * came; `worker-unavailable`; `deadline-exceeded`. A worker's own problem documents pass as they are: they
 * carry this request's id, which goes with it.
 */
export async function forward(
  worker: WorkerClient,
  target: { path: string; module: ModuleName; resolution: Resolution; maxBytes: number },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const { path, module, resolution, maxBytes } = target;
  const announced = request.headers["content-length"];
  if (announced !== undefined && Number(announced) > maxBytes) throw tooLarge(maxBytes);
  const abort = new AbortController();
  const raw = reply.raw;
  raw.once("close", () => {
    if (!raw.writableFinished) abort.abort();
  });
  try {
    // Not undici's `stream`: where a client leaves while its request is on the way to a worker, that calls its
    // callback twice, from an event, which ends the process (8.12.4).
    const answer = await worker.pool.request({
      method: "POST",
      path,
      headers: {
        ...picked(request.headers, REQUEST_HEADERS),
        authorization: worker.authorization,
        [WORKER_HEADERS.digest]: resolution.digest,
        [WORKER_HEADERS.module]: module,
        [WORKER_HEADERS.version]: String(resolution.version),
        [WORKER_HEADERS.caller]: request.principal.caller,
        [WORKER_HEADERS.requestId]: request.id,
        ...request.span.headers,
      },
      body: bodyOf(request, announced, maxBytes),
      signal: abort.signal,
    });
    if (answer.statusCode === 401 || answer.statusCode === 403) {
      await answer.body.dump();
      throw problem("worker-unavailable", "The worker does not accept the hub's token.");
    }
    const headers = {
      ...picked(answer.headers, ANSWER_HEADERS),
      "x-request-id": request.id,
      "x-content-type-options": "nosniff",
    };
    if (isSmall(answer.headers["content-length"])) {
      const bytes = Buffer.from(await answer.body.arrayBuffer());
      reply.hijack();
      raw.writeHead(answer.statusCode, headers).end(bytes);
      return;
    }
    reply.hijack();
    raw.writeHead(answer.statusCode, headers);
    await pipeline(answer.body, raw);
  } catch (error) {
    // Nobody is there to be told, or part of the answer is out already: the broken connection says it.
    if (reply.sent || raw.destroyed) {
      request.log.info({ err: error }, "an answer broke off");
      if (!reply.sent) reply.hijack();
      raw.destroy();
      return;
    }
    // What is left of the body won't be read: this connection can't take another request.
    if (!request.raw.complete) reply.header("connection", "close");
    throw asGatewayProblem(error);
  }
}

/**
 * Bodies and answers up to this, in bytes, pass in one piece: most do, and joining streams would cost more than
 * all the rest of the gateway. Larger ones are streamed.
 */
const SMALL = 16_384;

const isSmall = (length: string | string[] | undefined): boolean =>
  typeof length === "string" && Number(length) <= SMALL;

/**
 * A small body that is there already goes in one piece with the head; waiting for one would hold back a worker's
 * early refusal. With an announced length Node lets no more bytes through; otherwise they are counted.
 */
function bodyOf(request: FastifyRequest, announced: string | undefined, maxBytes: number): Readable | Buffer {
  const { raw } = request;
  if (announced === undefined) return Readable.from(counted(request, maxBytes), { objectMode: false });
  if (isSmall(announced) && raw.readableLength === Number(announced)) {
    const bytes: unknown = raw.read();
    // Read to its end: Node keeps a connection open, also when the server closes, whose request has none.
    raw.resume();
    if (bytes instanceof Buffer) return bytes;
  }
  return raw;
}

function asGatewayProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  if (code === "UND_ERR_HEADERS_TIMEOUT") return problem("deadline-exceeded", undefined, { cause: error });
  return problem("worker-unavailable", undefined, { retryAfter: 2, cause: error });
}

async function* counted(request: FastifyRequest, maxBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of request.raw.iterator({ destroyOnReturn: false })) {
    bytes += (chunk as Buffer).byteLength;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    yield chunk as Buffer;
  }
}

const tooLarge = (maxBytes: number): ProblemError =>
  problem(
    "body-too-large",
    `A request for inference has at most ${maxBytes} bytes; send fewer inputs at once.`,
  );

function picked(headers: IncomingHttpHeaders, names: readonly string[]): Record<string, string> {
  const chosen: Record<string, string> = {};
  for (const name of names) {
    const value = headers[name];
    if (typeof value === "string") chosen[name] = value;
  }
  return chosen;
}
