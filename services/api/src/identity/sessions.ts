import { randomBytes, randomUUID } from "node:crypto";
import { problem } from "@modulehub/core";
import type { Database } from "../database/client.ts";
import { inTransaction } from "../database/transaction.ts";
import { recordAudit } from "./audit.ts";
import { tokenHash } from "./identity.ts";
import type { Principal } from "./principal.ts";

/** How long a browser stays signed in, in seconds. */
export const SESSION_LIFE = 7 * 24 * 3_600;

/**
 * Opens a session for the holder of a token: a secret of its own, so that the token itself never lies in a browser.
 * It reads what the token may read, and no more; it ends by itself, when it is closed, and with the token. Throws
 * `unauthenticated` for the workers' token.
 */
export async function openSession(database: Database, principal: Principal, token: string): Promise<string> {
  const { account, limitedTo } = principal;
  if (account === undefined)
    throw problem("unauthenticated", "This token belongs to no account; sign in with an account's.");
  const session = `mhs_${randomBytes(32).toString("base64url")}`;
  const id = randomUUID();
  await inTransaction(database, async (tx) => {
    await tx.token.create({
      data: {
        id,
        accountId: account,
        kind: "session",
        hash: tokenHash(session),
        parentHash: tokenHash(token),
        name: "Browser",
        publisherId: limitedTo ?? null,
        role: "reader",
        expiresAt: new Date(Date.now() + SESSION_LIFE * 1000),
      },
    });
    await recordAudit(tx, principal, { action: "session.write", detail: { session: id, opened: true } });
  });
  return session;
}

/** Ends a session; one that is unknown or over stays so. */
export async function closeSession(database: Database, session: string): Promise<void> {
  const row = await database.prisma.token.findUnique({ where: { hash: tokenHash(session) } });
  if (row === null || row.kind !== "session" || row.revokedAt !== null) return;
  await inTransaction(database, async (tx) => {
    await tx.token.update({ where: { id: row.id }, data: { revokedAt: new Date() } });
    const actor = { account: row.accountId, tokenId: row.id };
    await recordAudit(tx, actor, { action: "session.write", detail: { session: row.id, closed: true } });
  });
}
