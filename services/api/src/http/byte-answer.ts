import { Readable } from "node:stream";
import { problem } from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { ByteRange } from "../blobs/blob-store.ts";
import type { Pieces } from "../blobs/pieces.ts";
import { isKnown } from "./accept.ts";
import { parseRange } from "./range.ts";
import { sendPieces } from "./send-pieces.ts";

/** Bytes that an address gives, whole or in ranges. */
export interface Bytes {
  /** A strong ETag (RFC 9110, section 8.8.3): equal tags mean equal bytes. */
  etag: string;
  size: number;
  /** What they are called in errors: "file". */
  noun: string;
  /** Sent with bytes only: `content-type`, `content-disposition` and the like. */
  headers: Readonly<Record<string, string>>;
  /** Opens them, or a range. Rejects where they can't be read, before anything is sent. */
  read(range: ByteRange | undefined): Promise<Pieces>;
}

/**
 * Answers GET with the bytes or the range that is asked for, and HEAD with GET's headers and no body. A client that
 * has them already gets 304. `Range` counts for GET alone (RFC 9110, section 14.2), and with `If-Range` only while
 * the ETag is that one. Throws `range-not-satisfiable`, with the size in `Content-Range`.
 */
export async function sendBytes(
  request: FastifyRequest,
  reply: FastifyReply,
  { etag, size, noun, headers, read }: Bytes,
): Promise<FastifyReply> {
  reply.header("accept-ranges", "bytes");
  const isHead = request.method === "HEAD";
  if (isKnown(request, reply, etag)) return reply.code(304).send(isHead ? emptyBody() : undefined);
  const { "if-range": ifRange, range: wanted } = request.headers;
  const range = !isHead && (ifRange === undefined || ifRange === etag) ? parseRange(wanted, size) : undefined;
  if (range === "unsatisfiable") {
    reply.header("content-range", `bytes */${size}`);
    throw problem("range-not-satisfiable", `The ${noun} has ${size} bytes.`);
  }
  const pieces = isHead ? undefined : await read(range);
  if (range !== undefined)
    reply.code(206).header("content-range", `bytes ${range.start}-${range.end}/${size}`);
  reply.headers(headers).header("content-length", range === undefined ? size : range.end - range.start + 1);
  return pieces === undefined ? reply.send(emptyBody()) : sendPieces(request, reply, pieces);
}

/** The body of an answer to HEAD. Of no body at all, Fastify's own HEAD routes say that its length is 0. */
const emptyBody = (): Readable => Readable.from([]);
