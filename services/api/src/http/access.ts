import { type Action, problem } from "@modulehub/core";
import type { FastifyInstance } from "fastify";
import type { Identity } from "../identity/identity.ts";
import { ANONYMOUS, authorizeAtAll, type Principal } from "../identity/principal.ts";
import { pathFault } from "./request-path.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What a request to this route does, for the permission table. A route without one stops the start. */
    action?: Action;
  }
  interface FastifyRequest {
    principal: Principal;
  }
}

/** Authenticates every request, and refuses what its principal may do nowhere. */
export function guardRoutes(app: FastifyInstance, identity: Identity): void {
  app.decorateRequest("principal");
  app.addHook("onRoute", (route) => {
    if (route.config?.action === undefined)
      throw new Error(
        `Route ${String(route.method)} ${route.url} declares no action for the permission table.`,
      );
  });
  app.addHook("onRequest", async (request) => {
    const { action } = request.routeOptions.config;
    // A path that is no route: it is answered with not-found, whoever asks, and its body is not read.
    if (action === undefined) {
      request.principal = ANONYMOUS;
      throw pathFault(request.raw) ?? problem("not-found");
    }
    const principal = await identity.authenticate(request.headers.authorization);
    request.principal = { ...principal, requestId: request.id };
    authorizeAtAll(request.principal, action);
  });
}
