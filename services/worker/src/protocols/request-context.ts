import { type Digest, isDigest, problem, TIMEOUT_HEADER, WORKER_HEADERS } from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Inference } from "../inference.ts";
import type { ThreadPool } from "../preparation/thread-pool.ts";
import type { Submission } from "../scheduler/scheduler.ts";
import { readBody } from "./body.ts";
import type { BodyIntake } from "./body-intake.ts";

/** What the routes of inference need. */
export interface ProtocolDeps {
  inference: Inference;
  threads: ThreadPool;
  intake: BodyIntake;
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
function calledVersion(request: FastifyRequest): CalledVersion {
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

/** A request for inference of which only the head was read. */
export interface Opened {
  called: CalledVersion;
  submission: Submission;
  /** Reads the body, within what the worker takes. Throws as `readBody` does. */
  body(): Promise<Buffer<ArrayBuffer>>;
}

/**
 * Reads a request's head, and refuses by it what would be refused with its body too: nothing of that is read, parsed
 * or kept. Throws `invalid-request`, `too-many-requests`, `module-quarantined`.
 */
export function openRequest(deps: ProtocolDeps, request: FastifyRequest, reply: FastifyReply): Opened {
  try {
    const called = calledVersion(request);
    const submission = submissionOf(request, reply, deps.requestMs);
    deps.inference.checkRoom(called.digest, submission);
    const terms = { intake: deps.intake, deadline: submission.deadline };
    const body = async () => {
      try {
        return await readBody(request, deps.maxBodyBytes, terms);
      } catch (error) {
        void reply.header("connection", "close");
        throw error;
      }
    };
    return { called, submission, body };
  } catch (error) {
    // A short body is read over, so that the connection lasts; what is left of a long one isn't waited for.
    if (!(Number(request.headers["content-length"]) <= READ_OVER)) void reply.header("connection", "close");
    throw error;
  }
}

/** Bytes of a refused body that are read over. */
const READ_OVER = 64 * 1024;

/** Who asks and until when; aborted when nobody waits for the answer any more. */
function submissionOf(request: FastifyRequest, reply: FastifyReply, requestMs: number): Submission {
  return {
    caller: single(request, WORKER_HEADERS.caller),
    signal: goneSignal(reply),
    deadline: performance.now() + Math.min(requestMs, timeoutOf(request) ?? requestMs),
    span: request.span,
  };
}

/** How long the client says it waits, in milliseconds. Throws `invalid-request`. */
function timeoutOf(request: FastifyRequest): number | undefined {
  const text = single(request, TIMEOUT_HEADER);
  if (text === "") return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw problem("invalid-request", `${TIMEOUT_HEADER} is a whole number of milliseconds, such as 1000.`);
  return Number(text);
}

/** The client closed the connection: nobody waits for an answer. */
export class ClientGone extends Error {
  override name = "ClientGone";
}

function single(request: FastifyRequest, header: string): string {
  const value = request.headers[header];
  return typeof value === "string" ? value.slice(0, 512) : "";
}
