import type { FastifyReply, FastifyRequest } from "fastify";

/**
 * Whether a request is a browser's: its `Accept` names `text/html`, and likes nothing else of what the hub
 * speaks better. A wildcard names nothing: programs that send one get JSON.
 */
export function wantsPage(request: FastifyRequest): boolean {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD") return false;
  const liked = new Map<string, number>();
  for (const part of (request.headers.accept ?? "").split(",")) {
    const [type = "", ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith("q="));
    liked.set(type, q === undefined ? 1 : Number(q.slice(2)) || 0);
  }
  const html = liked.get("text/html") ?? 0;
  return html > 0 && html >= (liked.get("application/json") ?? 0);
}

/** Whether a client that sent `If-None-Match` has an answer already; sets the answer's ETag either way. */
export function isKnown(request: FastifyRequest, reply: FastifyReply, etag: string): boolean {
  reply.header("etag", etag);
  const known = request.headers["if-none-match"];
  if (known === undefined) return false;
  // Weakly: a proxy that compresses marks the tag as weak.
  return known.trim() === "*" || known.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}
