import type { IncomingMessage } from "node:http";
import { internalUrl, ProblemError } from "@modulehub/core";

/**
 * What was wrong with a request's path. An error thrown while a URL is rewritten would end the process, so
 * it waits here until the request is routed, and the not-found handler throws it.
 */
const refused = new WeakMap<IncomingMessage, ProblemError>();

/** Where requests with a refused path are routed to: no route is there. */
const NOWHERE = "/-/refused";

/** Fastify's `rewriteUrl`: the internal path, in which a module's name is one parameter. */
export function rewriteUrl(request: IncomingMessage): string {
  try {
    return internalUrl(request.url ?? "/");
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    refused.set(request, error);
    return NOWHERE;
  }
}

export const pathFault = (request: IncomingMessage): ProblemError | undefined => refused.get(request);
