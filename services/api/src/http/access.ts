import { type Action, ProblemError, problem } from "@modulehub/core";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Identity } from "../identity/identity.ts";
import { ANONYMOUS, asReader, authorizeAtAll, type Principal } from "../identity/principal.ts";
import { pathFault } from "./request-path.ts";
import { isFromOwnPage, sessionIn } from "./session-cookie.ts";

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

/** What a signed-in browser's cookie is taken for when a page or file is asked for. */
const SESSION_ACTIONS: ReadonlySet<Action> = new Set([
  "module.list",
  "module.read",
  "module.download",
  "publisher.read",
]);

/** Authenticates every request, and refuses what its principal may do nowhere. */
export function guardRoutes(app: FastifyInstance, identity: Identity, publicUrl: () => string): void {
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
    const principal = await principalOf(identity, publicUrl, request, action);
    request.principal = { ...principal, requestId: request.id };
    authorizeAtAll(request.principal, action);
  });
}

/** Who sends a request: by its header, or else by `?token=` or the cookie of a session, where these are taken. */
async function principalOf(
  identity: Identity,
  publicUrl: () => string,
  request: FastifyRequest,
  action: Action,
): Promise<Principal> {
  const { authorization, cookie } = request.headers;
  if (authorization !== undefined) return identity.authenticate(authorization);
  const inQuery = tokenInQuery(request, action);
  if (inQuery !== undefined) return asReader(await identity.authenticateToken(inQuery, "token"));
  const url = cookie === undefined ? "" : publicUrl();
  const session = cookie === undefined ? undefined : sessionIn(request, url.startsWith("https:"));
  if (session === undefined || !takesSession(request, action, url)) return ANONYMOUS;
  try {
    return await identity.authenticateToken(session, "session");
  } catch (error) {
    // The browser keeps sending the cookie of a session that is over: its visitor is nobody again.
    if (error instanceof ProblemError && error.code === "unauthenticated") return ANONYMOUS;
    throw error;
  }
}

/** Other sites can make a browser send requests: those with effects count only from the hub's own pages. */
function takesSession(request: FastifyRequest, action: Action, publicUrl: string): boolean {
  if (request.method === "GET" || request.method === "HEAD") return SESSION_ACTIONS.has(action);
  return request.method === "POST" && action === "module.run" && isFromOwnPage(request, publicUrl);
}

function tokenInQuery({ method, query }: FastifyRequest, action: Action): string | undefined {
  if ((method !== "GET" && method !== "HEAD") || !QUERY_TOKEN_ACTIONS.has(action)) return undefined;
  if (typeof query !== "object" || query === null || !("token" in query)) return undefined;
  if (typeof query.token !== "string" || query.token === "")
    throw problem("unauthenticated", "The query's token must be one token.");
  return query.token;
}
