import { hash } from "node:crypto";
import { Readable } from "node:stream";
import type { Visibility } from "@modulehub/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Principal } from "../identity/principal.ts";
import { isKnown } from "./accept.ts";

export interface Caching {
  /** What is at this address never changes. Default false. */
  fixed?: boolean;
  /** Headers of the request that decide about the answer, beside a session's cookie. Default `Authorization`. */
  vary?: "Authorization" | "Accept, Authorization";
}

/**
 * Says what caches may do with an answer (RFC 9111): what is private is kept by none, what is fixed for a year,
 * anything else only to ask each time whether it is still so.
 */
export function allowCaching(
  reply: FastifyReply,
  shown: Visibility,
  { fixed = false, vary = "Authorization" }: Caching = {},
): void {
  reply
    // What is fixed is the same for everyone who gets it.
    .header("vary", fixed ? vary : `${vary}, Cookie`)
    .header(
      "cache-control",
      shown === "private" ? "private, no-store" : fixed ? "public, max-age=31536000, immutable" : "no-cache",
    );
}

/** What a list counts as, which holds all that whoever asks may see: for a caller with rights of its own, private. */
export const visibilityFor = (principal: Principal): Visibility =>
  principal.who === "everyone" ? "public" : "private";

/**
 * Answers whose route says nothing about caches are kept by none. Texts that may be kept get an ETag from their
 * bytes, and a client that has them already is told so, without them.
 */
export function revalidateTexts(app: FastifyInstance): void {
  app.addHook("onSend", async (request, reply, payload) => {
    if (request.method !== "GET" && request.method !== "HEAD") return payload;
    if (!reply.hasHeader("cache-control")) reply.header("cache-control", "no-store");
    const isText = typeof payload === "string" || Buffer.isBuffer(payload);
    if (!isText || reply.statusCode !== 200 || reply.getHeader("cache-control") === "no-store")
      return payload;
    if (reply.hasHeader("etag") || !isKnown(request, reply, `"${hash("sha256", payload).slice(0, 32)}"`))
      return payload;
    reply.code(304).removeHeader("content-type");
    return emptyBody(request);
  });
}

/** No body. Of HEAD's, Fastify would say otherwise that its length is 0, whatever GET's is. */
const emptyBody = ({ method }: FastifyRequest): Readable | null =>
  method === "HEAD" ? Readable.from([]) : null;
