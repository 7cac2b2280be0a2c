import { MEMBER_ROLES, ROLES } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { createToken, describePrincipal, listTokens, revokeToken } from "../identity/tokens.ts";
import { pageQuery, text } from "./schemas.ts";

/** How often it is written down when tokens were last used, in milliseconds. */
const RECORD_USE = 60_000;

const token = z
  .object({
    id: z.string(),
    account: z.string(),
    kind: z.enum(["token", "session"]),
    name: z.string(),
    role: z.enum(ROLES).meta({ description: "The most that it may do, whatever its account may" }),
    publisher: z.string().optional(),
    createdAt: z.string(),
    expiresAt: z.string().optional(),
    lastUsedAt: z.string().optional(),
  })
  .meta({ id: "Token" });

const me = z
  .object({
    account: z.string(),
    displayName: z.string(),
    admin: z.boolean(),
    roles: z.record(z.string(), z.enum(MEMBER_ROLES)),
    token: z.object({
      id: z.string().optional(),
      name: z.string(),
      role: z.enum(ROLES),
      publisher: z.string().optional(),
      expiresAt: z.string().optional(),
    }),
  })
  .meta({ id: "Me", description: "Roles by publisher, as far as the token lets them through" });

/** Who one is, and one's tokens. */
export function tokenRoutes(app: App, deps: AppDeps): void {
  const { database, identity } = deps;

  app.get(
    "/v1/me",
    {
      config: { action: "me.read" },
      schema: { summary: "Whose token this is, and what it may", tags: ["identity"], response: { 200: me } },
    },
    async (request, reply) => {
      reply.header("cache-control", "private, no-store");
      return describePrincipal(database.prisma, request.principal);
    },
  );

  app.post(
    "/v1/tokens",
    {
      config: { action: "token.write" },
      schema: {
        summary:
          "Make a token of one's account; the answer holds it, this once. The admin may name an account",
        tags: ["identity"],
        body: z.strictObject({
          name: text(200).trim().min(1),
          account: text(64).optional(),
          role: z.enum(ROLES).optional(),
          publisher: text(64).optional(),
          expiresAt: z.iso
            .datetime({ offset: true })
            .meta({ type: "string", format: "date-time" })
            .optional(),
        }),
        response: { 201: token.extend({ token: z.string() }) },
      },
    },
    async (request, reply) => {
      const { expiresAt, ...wanted } = request.body;
      const made = await createToken(database, request.principal, {
        ...wanted,
        ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt) }),
      });
      return reply.code(201).header("cache-control", "no-store").send(made);
    },
  );

  app.get(
    "/v1/tokens",
    {
      config: { action: "token.read" },
      schema: {
        summary: "List one's tokens, newest first; the admin may name an account",
        tags: ["identity"],
        querystring: pageQuery.extend({ account: text(64).optional() }),
        response: { 200: z.object({ items: z.array(token), next: z.string().optional() }) },
      },
    },
    async (request) => listTokens(database.prisma, request.principal, request.query),
  );

  app.delete(
    "/v1/tokens/:id",
    {
      config: { action: "token.write" },
      schema: {
        summary: "Revoke a token, and the sessions that were opened with it",
        tags: ["identity"],
        params: z.object({ id: z.string() }),
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      await identity.changing(() => revokeToken(database, request.principal, request.params.id));
      return reply.code(204).send(null);
    },
  );

  if (deps.describeOnly) return;
  const record = () =>
    identity
      .recordUse()
      .catch((err: unknown) => app.log.error({ err }, "the use of tokens was not recorded"));
  const timer = setInterval(record, RECORD_USE);
  timer.unref();
  app.addHook("onClose", async () => {
    clearInterval(timer);
    await record();
  });
}
