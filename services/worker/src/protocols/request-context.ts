import { type Digest, isDigest, problem, WORKER_HEADERS } from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Inference } from "../inference.ts";
import type { ThreadPool } from "../preparation/thread-pool.ts";
import type { Submission } from "../scheduler/scheduler.ts";

/** What the routes of inference need. */
export interface ProtocolDeps {
  inference: Inference;
  threads: ThreadPool;
  maxBodyBytes: number;
  /** Milliseconds from a request's arrival after which it is not begun any more. */
  requestMs: number;
}

/** The version that a request is for, as the gateway resolved it. */
export interface CalledVersion {
  digest: Digest;
  module: string;
  version: number;
}

/** Reads the headers that name the version. Throws `invalid-request`. */
export function calledVersion(request: FastifyRequest): CalledVersion {
  const digest = single(request, WORKER_HEADERS.digest);
  const version = Number(single(request, WORKER_HEADERS.version));
  if (!isDigest(digest) || !Number.isSafeInteger(version))
    throw problem(
      "invalid-request",
      `The headers ${WORKER_HEADERS.digest} and ${WORKER_HEADERS.version} are needed.`,
    );
  return { digest, module: single(request, WORKER_HEADERS.module), version };
}

/** Aborted when the connection closes before the answer is sent. */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) gone.abort(new ClientGone());
  });
  return gone.signal;
}

/** Who asks and until when; aborted when nobody waits for the answer any more. */
export function submissionOf(request: FastifyRequest, reply: FastifyReply, requestMs: number): Submission {
  return {
    caller: single(request, WORKER_HEADERS.caller),
    signal: goneSignal(reply),
    deadline: performance.now() + requestMs,
  };
}

/** The client closed the connection: nobody waits for an answer. */
export class ClientGone extends Error {
  override name = "ClientGone";
}

function single(request: FastifyRequest, header: string): string {
  const value = request.headers[header];
  return typeof value === "string" ? value.slice(0, 512) : "";
}
