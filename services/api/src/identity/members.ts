import { MEMBER_ROLES, type MemberRole, problem } from "@modulehub/core";
import { z } from "zod";
import type { Database, Queries } from "../database/client.ts";
import { inTransaction } from "../database/transaction.ts";
import { decodeCursor, encodeCursor } from "../registry/cursor.ts";
import { findPublisher } from "../registry/publishers.ts";
import { recordAudit } from "./audit.ts";
import { ADMIN, type Principal, standing } from "./principal.ts";

export interface MemberAnswer {
  account: string;
  displayName: string;
  role: MemberRole;
  createdAt: string;
}

const role = z.enum(MEMBER_ROLES);

/** A page of a publisher's members, by account. Throws as `findPublisher` does. */
export async function listMembers(
  queries: Queries,
  principal: Principal,
  publisher: string,
  page: { limit: number; cursor?: string | undefined },
): Promise<{ items: MemberAnswer[]; next?: string }> {
  await findPublisher(queries, principal, "member.read", publisher);
  const after = page.cursor === undefined ? "" : decodeCursor(z.string(), page.cursor);
  const rows = await queries.member.findMany({
    where: { publisherId: publisher, accountId: { gt: after } },
    orderBy: { accountId: "asc" },
    take: page.limit + 1,
    include: { account: { select: { displayName: true } } },
  });
  const items = rows.slice(0, page.limit).map((row) => ({
    account: row.accountId,
    displayName: row.account.displayName,
    role: role.parse(row.role),
    createdAt: row.createdAt.toISOString(),
  }));
  return rows.length > page.limit ? { items, next: encodeCursor(items.at(-1)!.account) } : { items };
}

/**
 * Makes an account a member, or gives a member another role. Throws `account-not-found`, `last-owner` where nobody
 * would be left to own the publisher (but not to the admin), and as `findPublisher` does.
 */
export async function putMember(
  database: Database,
  principal: Principal,
  { publisher, account, role: wanted }: { publisher: string; account: string; role: MemberRole },
): Promise<MemberAnswer & { created: boolean }> {
  if (account === ADMIN.account)
    throw problem("invalid-request", "The admin is an owner everywhere, and no member of a publisher.");
  return changeMembers(database, principal, publisher, async (tx) => {
    const row = await tx.account.findUnique({ where: { id: account } });
    if (row === null)
      throw problem("account-not-found", `There is no account ${account}; the admin makes accounts.`);
    const key = { publisherId: publisher, accountId: account };
    const before = await tx.member.findUnique({ where: { publisherId_accountId: key } });
    if (before?.role === "owner" && wanted !== "owner") await keepAnOwner(tx, principal, key);
    const member = await tx.member.upsert({
      where: { publisherId_accountId: key },
      create: { ...key, role: wanted },
      update: { role: wanted },
    });
    const detail = { account, role: wanted, ...(before && { before: before.role }) };
    await recordAudit(tx, principal, { action: "member.write", publisher, detail });
    return {
      account,
      displayName: row.displayName,
      role: wanted,
      createdAt: member.createdAt.toISOString(),
      created: before === null,
    };
  });
}

/** Ends a membership. Throws `member-not-found`, and as `putMember` does. */
export async function removeMember(
  database: Database,
  principal: Principal,
  { publisher, account }: { publisher: string; account: string },
): Promise<void> {
  await changeMembers(database, principal, publisher, async (tx) => {
    const key = { publisherId: publisher, accountId: account };
    const before = await tx.member.findUnique({ where: { publisherId_accountId: key } });
    if (before === null) throw problem("member-not-found", `${account} is no member of ${publisher}.`);
    if (before.role === "owner") await keepAnOwner(tx, principal, key);
    await tx.member.delete({ where: { publisherId_accountId: key } });
    const detail = { account, before: before.role, removed: true };
    await recordAudit(tx, principal, { action: "member.write", publisher, detail });
  });
}

/** Changes of one publisher's members come one after the other, so that two can't take its last owners away. */
async function changeMembers<T>(
  database: Database,
  principal: Principal,
  publisher: string,
  change: (tx: Queries) => Promise<T>,
): Promise<T> {
  await findPublisher(database.prisma, principal, "member.write", publisher);
  return inTransaction(database, async (tx) => {
    await tx.$queryRaw`SELECT 1 FROM publisher WHERE id = ${publisher} FOR UPDATE`;
    await findPublisher(tx, principal, "member.write", publisher);
    return change(tx);
  });
}

async function keepAnOwner(
  tx: Queries,
  principal: Principal,
  { publisherId, accountId }: { publisherId: string; accountId: string },
): Promise<void> {
  if (standing(principal, publisherId) === "admin") return;
  const other = await tx.member.findFirst({
    where: { publisherId, role: "owner", accountId: { not: accountId }, account: { disabledAt: null } },
  });
  if (other === null) throw problem("last-owner", `${accountId} is the last owner of ${publisherId}.`);
}
