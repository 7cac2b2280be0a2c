import { ProblemError, problem } from "@modulehub/core";
import { loginPage, PAGE_HEADERS } from "@modulehub/web";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { wantsPage } from "../http/accept.ts";
import { isFromOwnPage, sessionCookie, sessionIn } from "../http/session-cookie.ts";
import type { Principal } from "../identity/principal.ts";
import { closeSession, openSession, SESSION_LIFE } from "../identity/sessions.ts";

/** A token and a path. */
const MAX_FORM_BYTES = 8_192;

/** Signing in with a browser, to see private modules; programs send their token with each request. */
export async function signInRoutes(app: App, deps: AppDeps): Promise<void> {
  const { database, identity, publicUrl } = deps;
  const isSecure = () => publicUrl().startsWith("https:");

  app.get(
    "/login",
    {
      config: { action: "session.write" },
      schema: { hide: true, querystring: z.object({ next: z.string().max(2048).default("/") }) },
    },
    async (request, reply) => {
      if (!wantsPage(request))
        throw problem("not-found", "Browsers sign in here; programs send Authorization: Bearer and a token.");
      return sendPage(reply, loginPage({ next: ownPath(request.query.next) }));
    },
  );

  await app.register(async (scope: App) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      "application/x-www-form-urlencoded",
      { parseAs: "string", bodyLimit: MAX_FORM_BYTES },
      (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(String(body)))),
    );
    scope.post(
      "/logout",
      { config: { action: "session.write" }, schema: { hide: true } },
      async (request, reply) => {
        const session = sessionIn(request, isSecure());
        if (session !== undefined) {
          requireOwnPage(isFromOwnPage(request, publicUrl()));
          await identity.changing(() => closeSession(database, session));
          reply.header("set-cookie", sessionCookie("", 0, isSecure()));
        }
        return reply.redirect("/", 303);
      },
    );

    scope.post(
      "/login",
      {
        config: { action: "session.write" },
        bodyLimit: MAX_FORM_BYTES,
        schema: {
          hide: true,
          body: z.object({ token: z.string().max(512), next: z.string().max(2048).default("/") }),
        },
      },
      async (request, reply) => {
        requireOwnPage(isFromOwnPage(request, publicUrl()));
        const next = ownPath(request.body.next);
        const token = request.body.token.trim();
        let session: string;
        try {
          const found: Principal = await identity.authenticateToken(token, "token");
          session = await openSession(database, { ...found, requestId: request.id }, token);
        } catch (error) {
          if (!(error instanceof ProblemError) || error.status !== 401) throw error;
          return sendPage(reply.code(401), loginPage({ next, refusal: error.message }));
        }
        return reply
          .header("set-cookie", sessionCookie(session, SESSION_LIFE, isSecure()))
          .redirect(next, 303);
      },
    );
  });
}

/** Without this, another site could sign a visitor in as someone else, or out. */
function requireOwnPage(isOwn: boolean): void {
  if (!isOwn) throw problem("forbidden", "This form can be sent from the hub's own pages only.");
}

/** A path of the hub; the front page for whatever would lead elsewhere. */
function ownPath(next: string): string {
  const base = "http://hub";
  if (!next.startsWith("/") || !URL.canParse(next, base)) return "/";
  const { origin, pathname, search } = new URL(next, base);
  // `/.//there` is a path of this hub, but what is left of it without its dot would be another host.
  return origin === base && !pathname.startsWith("//") ? pathname + search : "/";
}

const sendPage = (reply: FastifyReply, html: string): FastifyReply =>
  reply
    .headers(PAGE_HEADERS)
    .header("cache-control", "no-store")
    .serializer((body: string) => body)
    .send(html);
