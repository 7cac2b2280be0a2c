import { type Action, problem } from "@modulehub/core";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Identity } from "../identity/identity.ts";
import { ANONYMOUS, asReader, authorizeAtAll, type Principal } from "../identity/principal.ts";
import { pathFault } from "./request-path.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What a request to this route does, for the permission table. A route without one stops the start. */
    action?: Action;
    /** The route is there to say that the address does not take the method. */
    refusesMethod?: true;
  }
  interface FastifyRequest {
    principal: Principal;
  }
  interface FastifyInstance {
    /** Every route with the action that it declares. */
    declaredRoutes: DeclaredRoute[];
  }
}

export interface DeclaredRoute {
  method: string;
  url: string;
  action: Action;
}

/** What a token in a URL is taken for: TensorFlow Hub's clients can send it nowhere else. */
const QUERY_TOKEN_ACTIONS: ReadonlySet<Action> = new Set(["module.read", "module.download"]);

/** Authenticates every request, and refuses what its principal may do nowhere. */
export function guardRoutes(app: FastifyInstance, identity: Identity): void {
  app.decorateRequest("principal");
  app.decorate("declaredRoutes", []);
  app.addHook("onRoute", (route) => {
    const { action, refusesMethod } = route.config ?? {};
    if (action === undefined)
      throw new Error(
        `Route ${String(route.method)} ${route.url} declares no action for the permission table.`,
      );
    if (refusesMethod) return;
    for (const method of [route.method].flat())
      app.declaredRoutes.push({ method: String(method), url: route.url, action });
  });
  app.addHook("onRequest", async (request) => {
    const { action } = request.routeOptions.config;
    // A path that is no route: it is answered with not-found, whoever asks, and its body is not read.
    if (action === undefined) {
      request.principal = ANONYMOUS;
      throw pathFault(request.raw) ?? problem("not-found");
    }
    const principal = await principalOf(identity, request, action);
    request.principal = { ...principal, requestId: request.id };
    authorizeAtAll(request.principal, action);
  });
}

/** Who sends a request: by its header, or else by `?token=` where that is taken. */
async function principalOf(identity: Identity, request: FastifyRequest, action: Action): Promise<Principal> {
  const { authorization } = request.headers;
  if (authorization !== undefined) return identity.authenticate(authorization);
  const inQuery = tokenInQuery(request, action);
  return inQuery === undefined ? ANONYMOUS : asReader(await identity.authenticateToken(inQuery, "token"));
}

function tokenInQuery({ method, query }: FastifyRequest, action: Action): string | undefined {
  if ((method !== "GET" && method !== "HEAD") || !QUERY_TOKEN_ACTIONS.has(action)) return undefined;
  if (typeof query !== "object" || query === null || !("token" in query)) return undefined;
  if (typeof query.token !== "string" || query.token === "")
    throw problem("unauthenticated", "The query's token must be one token.");
  return query.token;
}
