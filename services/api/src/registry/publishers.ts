import { type Action, type ProblemError, problem, publisherFault } from "@modulehub/core";
import { z } from "zod";
import { dropReferencesWhere } from "../blobs/references.ts";
import type { Database, Queries } from "../database/client.ts";
import { Prisma, type Publisher } from "../database/generated/client.ts";
import { isUniqueViolation } from "../database/query-errors.ts";
import { inTransaction } from "../database/transaction.ts";
import { recordAudit } from "../identity/audit.ts";
import { ADMIN, allows, type Principal, standing } from "../identity/principal.ts";
import { forgetJobsOf } from "../jobs/retention.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";

export interface PublisherAnswer {
  id: string;
  displayName: string;
  createdAt: string;
}

/**
 * A publisher, for a principal that wants to do something to it or in it. Everyone may know that it is there, so what
 * a role lacks is `forbidden`; but what only members may read is `not-found` to others, as if there were none. One
 * that was deleted is `gone`.
 */
export async function findPublisher(
  queries: Queries,
  principal: Principal,
  action: Action,
  id: string,
): Promise<Publisher> {
  const row = await queries.publisher.findUnique({ where: { id } });
  const resource = { publisher: id, visibility: "private" } as const;
  if (row !== null) {
    if (allows(principal, action, resource)) return row;
    if (allows(principal, action.endsWith(".read") ? "member.read" : "publisher.read", resource))
      throw problem("forbidden", `Your role in ${id} does not allow ${action}.`);
  }
  throw await absent(queries, id, "There is no such publisher, or this token may not see that of it.");
}

/** That a publisher was deleted, before or while something was made in it. */
export const publisherGone = (id: string, cause?: unknown): ProblemError =>
  problem("gone", `The publisher ${id} was deleted; its name is not used again.`, { cause });

/** What is said of a publisher that is not there. That one was deleted everyone may know, as that it was there. */
const absent = async (queries: Queries, id: string, detail: string): Promise<ProblemError> =>
  (await isGone(queries, id)) ? publisherGone(id) : problem("not-found", detail);

/**
 * Makes a publisher, and whoever asks its owner; the admin, an owner everywhere, may name another. Throws
 * `invalid-name`, `name-taken`, `gone` where one of this name was deleted, `forbidden`, `account-not-found`.
 */
export async function createPublisher(
  database: Database,
  principal: Principal,
  {
    id,
    displayName = id,
    owner,
  }: { id: string; displayName?: string | undefined; owner?: string | undefined },
): Promise<PublisherAnswer> {
  const fault = publisherFault(id);
  if (fault) throw problem("invalid-name", fault);
  const isAdmin = standing(principal) === "admin";
  if (owner !== undefined && owner !== principal.account && !isAdmin)
    throw problem("forbidden", "Only the admin makes publishers for other accounts; leave owner out.");
  const named = owner ?? principal.account;
  const ownerId = named === ADMIN.account ? undefined : named;
  const create = async (tx: Queries) => {
    if (await isGone(tx, id)) throw problem("gone");
    const row = await tx.publisher.create({ data: { id, displayName } });
    if (ownerId !== undefined) {
      if ((await tx.account.findUnique({ where: { id: ownerId } })) === null)
        throw problem("account-not-found", `There is no account ${ownerId}.`);
      await tx.member.create({ data: { publisherId: id, accountId: ownerId, role: "owner" } });
    }
    const detail = { displayName, ...(ownerId !== undefined && { owner: ownerId }) };
    await recordAudit(tx, principal, { action: "publisher.create", publisher: id, detail });
    return row;
  };
  try {
    return answerOf(await inTransaction(database, create));
  } catch (error) {
    if (isUniqueViolation(error))
      throw problem("name-taken", `The publisher ${id} exists.`, { cause: error });
    throw error;
  }
}

/** Reads a publisher. Throws `not-found`, or `gone` where it was deleted. */
export async function readPublisher(queries: Queries, id: string): Promise<PublisherAnswer> {
  const row = await queries.publisher.findUnique({ where: { id } });
  if (row === null) throw await absent(queries, id, "There is no such publisher.");
  return answerOf(row);
}

/** A page of the publishers, by name. */
export async function listPublishers(
  queries: Queries,
  page: { limit: number; cursor?: string | undefined },
): Promise<{ items: PublisherAnswer[]; next?: string }> {
  const after = page.cursor === undefined ? "" : decodeCursor(z.string(), page.cursor);
  // Compared by bytes, whatever the database's collation is.
  const rows = await queries.$queryRaw<{ id: string; display_name: string; created_at: Date }[]>`
    SELECT id, display_name, created_at FROM publisher WHERE id COLLATE "C" > ${after}
    ORDER BY id COLLATE "C" LIMIT ${page.limit + 1}`;
  const items = rows
    .slice(0, page.limit)
    .map((row) =>
      answerOf({ id: row.id, displayName: row.display_name, createdAt: new Date(row.created_at) }),
    );
  return rows.length > page.limit ? { items, next: encodeCursor(items.at(-1)!.id) } : { items };
}

/** Changes how a publisher is called on pages. Throws as `findPublisher` does. */
export async function renamePublisher(
  database: Database,
  principal: Principal,
  { id, displayName }: { id: string; displayName: string },
): Promise<PublisherAnswer> {
  return inTransaction(database, async (tx) => {
    await findPublisher(tx, principal, "publisher.settings", id);
    const row = await tx.publisher.update({ where: { id }, data: { displayName } });
    await recordAudit(tx, principal, {
      action: "publisher.settings",
      publisher: id,
      detail: { displayName },
    });
    return answerOf(row);
  });
}

/**
 * Deletes a publisher without modules, its members, its uploads and the jobs that have ended. The name is never used again. Throws
 * `publisher-not-empty`, and as `findPublisher` does.
 */
export async function deletePublisher(database: Database, principal: Principal, id: string): Promise<void> {
  await inTransaction(database, async (tx) => {
    await findPublisher(tx, principal, "publisher.delete", id);
    await tx.$queryRaw`SELECT 1 FROM publisher WHERE id = ${id} FOR UPDATE`;
    if ((await tx.module.findFirst({ where: { publisherId: id } })) !== null)
      throw problem("publisher-not-empty", `Delete the modules of ${id} first.`);
    if ((await tx.upload.findFirst({ where: { publisherId: id, state: "open" } })) !== null)
      throw problem("publisher-not-empty", `An upload to ${id} is open; complete or cancel it first.`);
    await forgetJobsOf(tx, id);
    await dropReferencesWhere(
      tx,
      Prisma.sql`holder_kind = 'upload' AND holder_id IN (SELECT id FROM upload WHERE publisher_id = ${id})`,
    );
    await tx.upload.deleteMany({ where: { publisherId: id } });
    await tx.publisher.delete({ where: { id } });
    await tx.tombstone.create({ data: { lowerName: id, publisherId: id } });
    await recordAudit(tx, principal, { action: "publisher.delete", publisher: id });
  });
}

/** Whether a publisher of this name was deleted: modules' names have a slash, so the two never meet. */
async function isGone(queries: Queries, id: string): Promise<boolean> {
  const key = { lowerName: id, version: 0 };
  return (await queries.tombstone.findUnique({ where: { lowerName_version: key } })) !== null;
}

const answerOf = (row: { id: string; displayName: string; createdAt: Date }): PublisherAnswer => ({
  id: row.id,
  displayName: row.displayName,
  createdAt: row.createdAt.toISOString(),
});
