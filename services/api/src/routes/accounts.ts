import { problem } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { changeAccount, createAccount, listAccounts, readAccount } from "../identity/accounts.ts";
import { displayNameInput, pageQuery, text } from "./schemas.ts";

const account = z
  .object({
    id: z.string(),
    displayName: z.string(),
    createdAt: z.string(),
    disabledAt: z.string().optional(),
  })
  .meta({ id: "Account" });

const accountParams = z.object({ account: z.string() });

/** Accounts, which the admin makes. */
export function accountRoutes(app: App, { database, identity }: AppDeps): void {
  app.post(
    "/v1/accounts",
    {
      config: { action: "account.write" },
      schema: {
        summary: "Make an account, for a person or a program; its first token is made with POST /v1/tokens",
        tags: ["identity"],
        body: z.strictObject({ id: text(64), displayName: displayNameInput.optional() }),
        response: { 201: account },
      },
    },
    async (request, reply) =>
      reply.code(201).send(await createAccount(database, request.principal, request.body)),
  );

  app.get(
    "/v1/accounts",
    {
      config: { action: "account.read" },
      schema: {
        summary: "List accounts by name",
        tags: ["identity"],
        querystring: pageQuery,
        response: { 200: z.object({ items: z.array(account), next: z.string().optional() }) },
      },
    },
    async (request) => listAccounts(database.prisma, request.query),
  );

  app.get(
    "/v1/accounts/:account",
    {
      config: { action: "account.read" },
      schema: {
        summary: "Read an account",
        tags: ["identity"],
        params: accountParams,
        response: { 200: account },
      },
    },
    async (request) => readAccount(database.prisma, request.params.account),
  );

  app.patch(
    "/v1/accounts/:account",
    {
      config: { action: "account.write" },
      schema: {
        summary: "Rename an account, or disable it: its tokens are refused until it is enabled again",
        tags: ["identity"],
        params: accountParams,
        body: z.strictObject({ displayName: displayNameInput.optional(), disabled: z.boolean().optional() }),
        response: { 200: account },
      },
    },
    async (request) => {
      const { body, params, principal } = request;
      if (body.displayName === undefined && body.disabled === undefined)
        throw problem("invalid-request", "Name what is to be changed: displayName, disabled, or both.");
      return identity.changing(() => changeAccount(database, principal, params.account, body));
    },
  );
}
