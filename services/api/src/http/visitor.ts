import type { Visitor } from "@modulehub/web";
import type { FastifyRequest } from "fastify";

/** Who looks at a page, as the page's head says it. The path is without the query: a token may be in that. */
export function visitorOf(request: FastifyRequest): Visitor {
  const path = request.originalUrl.split("?", 1)[0] ?? "/";
  // Absent where the request was refused before anyone asked who sends it.
  const account = (request.principal as FastifyRequest["principal"] | undefined)?.account;
  return { path, ...(account !== undefined && { account }) };
}
