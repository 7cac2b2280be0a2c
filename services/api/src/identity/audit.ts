import { type Action, type ModuleName, problem, publisherOf } from "@modulehub/core";
import { z } from "zod";
import type { Queries } from "../database/client.ts";
import type { Prisma } from "../database/generated/client.ts";
import { decodeCursor, encodeCursor } from "../registry/cursor.ts";
import { findPublisher } from "../registry/publishers.ts";
import { allows, type Principal, standing } from "./principal.ts";

/** Who is answerable for a change: a principal, or what was kept of one for a job. */
export type Actor = Pick<Principal, "account" | "tokenId" | "requestId">;

/** A change, in the words of the permission table. `detail` never holds tokens or other secrets. */
export interface AuditEntry {
  action: Action;
  publisher?: string;
  module?: string;
  version?: number;
  detail?: Prisma.InputJsonObject;
}

/** Writes down who changed what. To be called in the transaction that makes the change. */
export async function recordAudit(tx: Queries, actor: Actor, entry: AuditEntry): Promise<void> {
  await tx.audit.create({
    data: {
      accountId: actor.account ?? null,
      tokenId: actor.tokenId ?? null,
      requestId: actor.requestId ?? null,
      action: entry.action,
      publisherId: entry.publisher ?? null,
      module: entry.module ?? null,
      version: entry.version ?? null,
      detail: entry.detail ?? {},
    },
  });
}

export interface AuditAnswer {
  id: number;
  at: string;
  account?: string;
  token?: string;
  requestId?: string;
  action: string;
  publisher?: string;
  module?: string;
  version?: number;
  detail: Record<string, unknown>;
}

/** Every name that the module of a name has had; no other module was ever told of by one of them. */
async function namesOf(queries: Queries, module: string): Promise<string[]> {
  const known = await queries.moduleName.findUnique({
    where: { lowerName: module.toLowerCase() },
    select: { module: { select: { name: true, names: { select: { name: true } } } } },
  });
  const of = known?.module;
  return [...new Set([module, ...(of ? [of.name, ...of.names.map(({ name }) => name)] : [])])];
}

/**
 * A page of the changes, newest first: of a publisher, which its owners may read, or of the whole hub, for the admin.
 * A module's are found under every name that it had. Throws `forbidden`, and as `findPublisher` does. What was deleted is told of too, to the admin.
 */
export async function listAudit(
  queries: Queries,
  principal: Principal,
  filter: { publisher?: string | undefined; module?: ModuleName | undefined },
  page: { limit: number; cursor?: string | undefined },
): Promise<{ items: AuditAnswer[]; next?: string }> {
  const { module } = filter;
  const isAdmin = standing(principal) === "admin";
  // What was done under another publisher's name is that one's owners' to read.
  const publisher = filter.publisher ?? (isAdmin || module === undefined ? undefined : publisherOf(module));
  if (publisher === undefined && !isAdmin)
    throw problem(
      "forbidden",
      "Name a publisher that you own; only the admin reads what happened everywhere.",
    );
  if (publisher !== undefined && !allows(principal, "audit.read", { publisher, visibility: "private" }))
    await findPublisher(queries, principal, "audit.read", publisher);
  const names = module === undefined ? undefined : await namesOf(queries, module);
  const before = page.cursor === undefined ? undefined : decodeCursor(z.int32(), page.cursor);
  const rows = await queries.audit.findMany({
    where: {
      ...(publisher !== undefined && { publisherId: publisher }),
      ...(names !== undefined && { module: { in: names } }),
      ...(before !== undefined && { id: { lt: before } }),
    },
    orderBy: { id: "desc" },
    take: page.limit + 1,
  });
  const items = rows.slice(0, page.limit).map((row) => ({
    id: row.id,
    at: row.at.toISOString(),
    ...(row.accountId !== null && { account: row.accountId }),
    ...(row.tokenId !== null && { token: row.tokenId }),
    ...(row.requestId !== null && { requestId: row.requestId }),
    action: row.action,
    ...(row.publisherId !== null && { publisher: row.publisherId }),
    ...(row.module !== null && { module: row.module }),
    ...(row.version !== null && { version: row.version }),
    detail: z.record(z.string(), z.unknown()).parse(row.detail),
  }));
  return rows.length > page.limit ? { items, next: encodeCursor(items.at(-1)!.id) } : { items };
}
