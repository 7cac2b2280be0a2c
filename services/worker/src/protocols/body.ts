import { type Manifest, problem } from "@modulehub/core";
import type { FastifyRequest } from "fastify";
import type { ThreadPool } from "../preparation/thread-pool.ts";
import { type InferCall, parseJson, readInferBody } from "./infer-body.ts";

/** JSON beyond this is parsed in a thread: 256 KB take about 2 ms. */
export const THREAD_BYTES = 256 * 1024;

/** The media type of a request, lower case, without parameters; empty where it names none. */
export const mediaType = (request: FastifyRequest): string =>
  (request.headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();

/**
 * The body's bytes, counted while they come: nothing beyond the limit is kept. Throws `body-too-large`, and
 * `invalid-request` where the connection ended before the body did.
 */
export async function readBody(request: FastifyRequest, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const refusal = () => problem("body-too-large", `The body may have ${maxBytes} bytes.`);
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw refusal();
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request.raw as AsyncIterable<Buffer>) {
      length += chunk.byteLength;
      if (length > maxBytes) throw refusal();
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof Error && cause.name === "ProblemError") throw cause;
    throw problem("invalid-request", "The body ended before all of it was sent.", { cause });
  }
  const body = Buffer.from(new ArrayBuffer(length));
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return body;
}

/** The body as JSON. Throws `invalid-json`. */
export async function jsonBody(bytes: Uint8Array, threads: ThreadPool): Promise<unknown> {
  return bytes.byteLength > THREAD_BYTES ? threads.run("json", { kind: "json", bytes }) : parseJson(bytes);
}

/** The body of a native `infer`. */
export async function inferBody(
  bytes: Uint8Array,
  manifest: Manifest,
  threads: ThreadPool,
): Promise<InferCall> {
  return bytes.byteLength > THREAD_BYTES
    ? threads.run("json", { kind: "infer-body", bytes, manifest })
    : readInferBody(bytes, manifest);
}
