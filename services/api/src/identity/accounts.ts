import { accountFault, problem } from "@modulehub/core";
import { z } from "zod";
import type { Database, Queries } from "../database/client.ts";
import type { Account } from "../database/generated/client.ts";
import { isUniqueViolation } from "../database/query-errors.ts";
import { inTransaction } from "../database/transaction.ts";
import { decodeCursor, encodeCursor } from "../registry/cursor.ts";
import { recordAudit } from "./audit.ts";
import { ADMIN, type Principal } from "./principal.ts";

export interface AccountAnswer {
  id: string;
  displayName: string;
  createdAt: string;
  disabledAt?: string;
}

/** Makes an account, without any role. Throws `invalid-name` and `name-taken`. */
export async function createAccount(
  database: Database,
  principal: Principal,
  { id, displayName = id }: { id: string; displayName?: string | undefined },
): Promise<AccountAnswer> {
  const fault = accountFault(id);
  if (fault) throw problem("invalid-name", fault);
  try {
    return await inTransaction(database, async (tx) => {
      const row = await tx.account.create({ data: { id, displayName } });
      await recordAudit(tx, principal, { action: "account.write", detail: { account: id, displayName } });
      return answerOf(row);
    });
  } catch (error) {
    if (isUniqueViolation(error)) throw problem("name-taken", `The account ${id} exists.`, { cause: error });
    throw error;
  }
}

/** Reads an account. Throws `account-not-found`. */
export async function readAccount(queries: Queries, id: string): Promise<AccountAnswer> {
  const row = await queries.account.findUnique({ where: { id } });
  if (row === null) throw problem("account-not-found", `There is no account ${id}.`);
  return answerOf(row);
}

/** A page of the accounts, by name. */
export async function listAccounts(
  queries: Queries,
  page: { limit: number; cursor?: string | undefined },
): Promise<{ items: AccountAnswer[]; next?: string }> {
  const after = page.cursor === undefined ? "" : decodeCursor(z.string(), page.cursor);
  const rows = await queries.account.findMany({
    where: { id: { gt: after } },
    orderBy: { id: "asc" },
    take: page.limit + 1,
  });
  const items = rows.slice(0, page.limit).map(answerOf);
  return rows.length > page.limit ? { items, next: encodeCursor(items.at(-1)!.id) } : { items };
}

/**
 * Renames an account, disables it or enables it again. The tokens of a disabled account are refused, and hold again
 * when it is enabled. Throws `account-not-found`, and `invalid-request` for disabling the admin.
 */
export async function changeAccount(
  database: Database,
  principal: Principal,
  id: string,
  { displayName, disabled }: { displayName?: string | undefined; disabled?: boolean | undefined },
): Promise<AccountAnswer> {
  if (id === ADMIN.account && disabled)
    throw problem("invalid-request", "The admin can't be disabled; delete the file admin-token instead.");
  return inTransaction(database, async (tx) => {
    const { disabledAt } = await readAccount(tx, id);
    const row = await tx.account.update({
      where: { id },
      data: {
        ...(displayName !== undefined && { displayName }),
        ...(disabled !== undefined && { disabledAt: disabled ? (disabledAt ?? new Date()) : null }),
      },
    });
    const detail = {
      account: id,
      ...(displayName !== undefined && { displayName }),
      ...(disabled !== undefined && { disabled }),
    };
    await recordAudit(tx, principal, { action: "account.write", detail });
    return answerOf(row);
  });
}

const answerOf = (row: Account): AccountAnswer => ({
  id: row.id,
  displayName: row.displayName,
  createdAt: row.createdAt.toISOString(),
  ...(row.disabledAt !== null && { disabledAt: row.disabledAt.toISOString() }),
});
