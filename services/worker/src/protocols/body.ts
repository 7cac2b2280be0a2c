import type { IncomingMessage } from "node:http";
import { BufferSweep } from "@modulehub/buffer-sweep";
import { problem } from "@modulehub/core";
import type { FastifyRequest } from "fastify";
import type { Patience } from "../patience.ts";
import type { ThreadPool } from "../preparation/thread-pool.ts";
import type { BodyIntake } from "./body-intake.ts";
import { parseJson } from "./infer-body.ts";

/** JSON beyond this is read in a thread: 256 KB take about 2 ms. */
const THREAD_BYTES = 256 * 1024;

/** The hub itself asks, with few bodies at once and no deadline: it isn't refused because its users ask for much. */
export const patienceOfHub = (signal: AbortSignal): Patience => ({ signal, priority: "background" });

/** What bodies came in, before their chunks were joined. */
const chunksOfBodies = new BufferSweep();

/** Whether a JSON body takes too long to be read between other requests. */
export const isLarge = (bytes: Uint8Array): boolean => bytes.byteLength > THREAD_BYTES;

/** The media type of a request, lower case, without parameters; empty where it names none. */
export const mediaType = (request: FastifyRequest): string =>
  (request.headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();

/** The terms on which a client's body is taken. */
export interface Terms {
  intake: BodyIntake;
  /** On performance.now()'s clock: what isn't there by then isn't waited for. */
  deadline: number;
}

/**
 * The body's bytes, counted while they come: nothing beyond the limit is kept. Throws `body-too-large`,
 * `invalid-request` where the connection ended before the body did, and what the terms end it with.
 */
export async function readBody(
  request: FastifyRequest,
  maxBytes: number,
  terms?: Terms,
): Promise<Buffer<ArrayBuffer>> {
  const refusal = () => problem("body-too-large", `The body may have ${maxBytes} bytes.`);
  const promised = Number(request.headers["content-length"] ?? 0);
  if (promised > maxBytes) throw refusal();
  const { raw } = request;
  const whole = takeWhole(raw, promised);
  if (whole) return whole;
  const end = Promise.withResolvers<void>();
  const intake = terms?.intake.open(terms.deadline, end.reject);
  const chunks: Buffer[] = [];
  let length = 0;
  const take = (chunk: Buffer) => {
    length += chunk.byteLength;
    if (length > maxBytes) return end.reject(refusal());
    chunks.push(chunk);
    intake?.took(chunk.byteLength);
  };
  const broken = (cause?: unknown) =>
    end.reject(problem("invalid-request", "The body ended before all of it was sent.", { cause }));
  const ended = () => {
    raw.off("close", broken);
    end.resolve();
  };
  if (raw.destroyed && !raw.readableEnded) broken();
  raw.on("data", take).once("end", ended).once("error", broken).once("close", broken);
  try {
    await end.promise;
  } catch (error) {
    raw.pause();
    throw error;
  } finally {
    raw.off("data", take).off("end", ended).off("close", broken);
    intake?.close();
  }
  chunksOfBodies.letGo(length);
  return joined(chunks, length);
}

/**
 * A short body that came with its head: there is nothing to wait for. Hooks that are asynchronous have let it come: the
 * parser has given its bytes by then, though it may not have said yet that there are no more.
 */
function takeWhole(raw: IncomingMessage, promised: number): Buffer<ArrayBuffer> | undefined {
  if (promised === 0 || raw.readableLength !== promised) return undefined;
  const chunk: unknown = raw.read();
  // Its end is announced, so that the connection goes on to the next request.
  raw.resume();
  return Buffer.isBuffer(chunk) ? joined([chunk], promised) : undefined;
}

/** In memory of its own, at an offset that fits every dtype. */
function joined(chunks: readonly Buffer[], length: number): Buffer<ArrayBuffer> {
  const body = Buffer.from(new ArrayBuffer(length));
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return body;
}

/** The body as JSON. Throws `invalid-json`, and as `ThreadPool.run` does. */
export async function jsonBody(bytes: Uint8Array, threads: ThreadPool, patience: Patience): Promise<unknown> {
  return isLarge(bytes) ? threads.run("json", { kind: "json", bytes }, patience) : parseJson(bytes);
}
