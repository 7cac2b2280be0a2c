import { randomBytes, randomUUID } from "node:crypto";
import { problem, ROLES, type Role } from "@modulehub/core";
import { z } from "zod";
import type { Database, Queries } from "../database/client.ts";
import type { Token } from "../database/generated/client.ts";
import { isForeignKeyViolation } from "../database/query-errors.ts";
import { inTransaction } from "../database/transaction.ts";
import { decodeCursor, encodeCursor, moment } from "../registry/cursor.ts";
import { publisherGone } from "../registry/publishers.ts";
import { recordAudit } from "./audit.ts";
import { tokenHash } from "./identity.ts";
import { isAtLeast } from "./permissions.ts";
import { ADMIN, type Principal, standing } from "./principal.ts";

export interface TokenAnswer {
  id: string;
  account: string;
  kind: "token" | "session";
  name: string;
  role: Role;
  publisher?: string;
  createdAt: string;
  expiresAt?: string;
  lastUsedAt?: string;
}

export interface TokenRequest {
  name: string;
  account?: string | undefined;
  role?: Role | undefined;
  publisher?: string | undefined;
  expiresAt?: Date | undefined;
}

/**
 * Makes a token, and answers with it this once; only its hash is kept. A token gives on no more than it has itself:
 * role, publisher and time are held against those of the one that asks. Throws `forbidden` for more,
 * `account-not-found`, `not-found` for a publisher that isn't there.
 */
export async function createToken(
  database: Database,
  principal: Principal,
  request: TokenRequest,
): Promise<TokenAnswer & { token: string }> {
  const account = request.account ?? principal.account;
  if (account === undefined) throw problem("forbidden", "Only an account has tokens.");
  const isAdmin = standing(principal) === "admin";
  if (account !== principal.account && !isAdmin)
    throw problem("forbidden", "Only the admin makes tokens of other accounts; leave account out.");
  if (request.expiresAt !== undefined && request.expiresAt.getTime() <= Date.now())
    throw problem("invalid-request", "expiresAt must lie in the future.");
  const highest = account === ADMIN.account ? principal.cap : "owner";
  const role = request.role ?? (isAtLeast(principal.cap, highest) ? highest : principal.cap);
  if (role === "admin" && account !== ADMIN.account)
    throw problem("forbidden", "Only the account admin has tokens of the role admin.");
  const publisher = request.publisher ?? principal.limitedTo;
  const token = `mh_${randomBytes(32).toString("base64url")}`;
  const create = async (tx: Queries) => {
    const present = principal.tokenId === undefined ? null : await readToken(tx, principal.tokenId);
    const expiresAt = request.expiresAt ?? present?.expiresAt ?? null;
    const limits = { role, publisherId: publisher ?? null };
    if (!covers(principal, limits) || (present?.expiresAt && expiresAt && expiresAt > present.expiresAt))
      throw problem("forbidden", "A token can't give more rights, or a longer life, than it has itself.");
    if ((await tx.account.findUnique({ where: { id: account } })) === null)
      throw problem("account-not-found", `There is no account ${account}.`);
    if (publisher !== undefined && (await tx.publisher.findUnique({ where: { id: publisher } })) === null)
      throw problem("not-found", `There is no publisher ${publisher}.`);
    const created = await tx.token.create({
      data: {
        id: randomUUID(),
        accountId: account,
        kind: "token",
        hash: tokenHash(token),
        name: request.name,
        ...limits,
        expiresAt,
      },
    });
    const { id, ...told } = answerOf(created);
    const detail = { ...told, token: id };
    await recordAudit(tx, principal, { action: "token.write", ...(publisher && { publisher }), detail });
    return created;
  };
  const row = await inTransaction(database, create).catch((cause: unknown) => {
    if (publisher !== undefined && isForeignKeyViolation(cause)) throw publisherGone(publisher, cause);
    throw cause;
  });
  return { ...answerOf(row), token };
}

const position = z.tuple([moment.transform((time) => new Date(time)), z.uuid()]);

/** A page of an account's tokens and sessions that were not revoked, newest first. */
export async function listTokens(
  queries: Queries,
  principal: Principal,
  page: { account?: string | undefined; limit: number; cursor?: string | undefined },
): Promise<{ items: TokenAnswer[]; next?: string }> {
  const account = page.account ?? principal.account ?? "";
  if (account !== principal.account && standing(principal) !== "admin")
    throw problem("forbidden", "Only the admin lists the tokens of other accounts; leave account out.");
  const after = page.cursor === undefined ? undefined : decodeCursor(position, page.cursor);
  const rows = await queries.token.findMany({
    where: {
      accountId: account,
      revokedAt: null,
      ...(after && { OR: [{ createdAt: { lt: after[0] } }, { createdAt: after[0], id: { lt: after[1] } }] }),
    },
    orderBy: [{ createdAt: "desc" }, { id: "desc" }],
    take: page.limit + 1,
  });
  const items = rows.slice(0, page.limit).map(answerOf);
  const last = items.at(-1);
  return rows.length > page.limit && last
    ? { items, next: encodeCursor([last.createdAt, last.id]) }
    : { items };
}

/**
 * Revokes a token, and the sessions that were opened with it. Throws `token-not-found` for another account's, unless
 * to the admin, and `forbidden` where a limited token would end one that may more. It may always end itself.
 */
export async function revokeToken(database: Database, principal: Principal, id: string): Promise<void> {
  await inTransaction(database, async (tx) => {
    const row = await readToken(tx, id);
    const isOwn = row?.accountId === principal.account;
    if (row === null || row.revokedAt !== null || !(isOwn || standing(principal) === "admin"))
      throw problem("token-not-found");
    if (row.id !== principal.tokenId && !covers(principal, row))
      throw problem("forbidden", "A token can't revoke one that may more than it.");
    await tx.token.updateMany({
      where: { OR: [{ id }, { parentHash: row.hash }], revokedAt: null },
      data: { revokedAt: new Date() },
    });
    const detail = { token: id, account: row.accountId, name: row.name, revoked: true };
    const publisher = row.publisherId ?? undefined;
    await recordAudit(tx, principal, { action: "token.write", ...(publisher && { publisher }), detail });
  });
}

/** Who asks, as `GET /v1/me` says it. */
export async function describePrincipal(queries: Queries, principal: Principal) {
  const account = await queries.account.findUniqueOrThrow({ where: { id: principal.account ?? "" } });
  const row = principal.tokenId === undefined ? null : await readToken(queries, principal.tokenId);
  return {
    account: account.id,
    displayName: account.displayName,
    admin: standing(principal) === "admin",
    roles: Object.fromEntries([...principal.roles].sort(([one], [other]) => (one < other ? -1 : 1))),
    token: {
      name: row?.name ?? "admin-token",
      role: principal.cap,
      ...(row !== null && { id: row.id }),
      ...(principal.limitedTo !== undefined && { publisher: principal.limitedTo }),
      ...(row?.expiresAt && { expiresAt: row.expiresAt.toISOString() }),
    },
  };
}

const readToken = (queries: Queries, id: string): Promise<Token | null> =>
  queries.token.findUnique({ where: { id } });

/** Whether a principal's token may all that one of these limits may. */
function covers(principal: Principal, token: { role: string; publisherId: string | null }): boolean {
  if (principal.limitedTo !== undefined && principal.limitedTo !== token.publisherId) return false;
  return isAtLeast(principal.cap, z.enum(ROLES).parse(token.role));
}

const answerOf = (row: Token): TokenAnswer => ({
  id: row.id,
  account: row.accountId,
  kind: z.enum(["token", "session"]).parse(row.kind),
  name: row.name,
  role: z.enum(ROLES).parse(row.role),
  ...(row.publisherId !== null && { publisher: row.publisherId }),
  createdAt: row.createdAt.toISOString(),
  ...(row.expiresAt !== null && { expiresAt: row.expiresAt.toISOString() }),
  ...(row.lastUsedAt !== null && { lastUsedAt: row.lastUsedAt.toISOString() }),
});
