import { type Digest, problem } from "@modulehub/core";
import type { Database, Queries } from "../database/client.ts";
import { inTransaction } from "../database/transaction.ts";
import { recordAudit } from "../identity/audit.ts";
import type { Principal } from "../identity/principal.ts";
import { findPublisher } from "./publishers.ts";

export interface QuotaAnswer {
  publisher: string;
  /** Bytes that it keeps: all that its modules, drafts, heads and uploads hold, each once, whoever else has them. */
  used: number;
  /** The most; absent: as many as there is room for. */
  quota?: number;
}

/** How many bytes a publisher keeps, and may keep. Throws as `findPublisher` does. */
export async function readQuota(queries: Queries, principal: Principal, id: string): Promise<QuotaAnswer> {
  const { quota } = await findPublisher(queries, principal, "quota.read", id);
  const used = await usedBy(queries, id);
  return { publisher: id, used, ...(quota !== null && { quota: Number(quota) }) };
}

/** Says how many bytes a publisher may keep from now on; null: any number. What it keeps already it keeps. */
export async function setQuota(
  database: Database,
  principal: Principal,
  { publisher: id, bytes }: { publisher: string; bytes: number | null },
): Promise<QuotaAnswer> {
  return inTransaction(database, async (tx) => {
    const { quota: before } = await findPublisher(tx, principal, "quota.write", id);
    await tx.publisher.update({ where: { id }, data: { quota: bytes } });
    const detail = { bytes, before: before === null ? null : Number(before) };
    await recordAudit(tx, principal, { action: "quota.write", publisher: id, detail });
    return { publisher: id, used: await usedBy(tx, id), ...(bytes !== null && { quota: bytes }) };
  });
}

/**
 * Throws `quota-exceeded` where a publisher may not keep so many bytes more. Looked at when something is begun, so
 * that what is begun at the same moment may pass it once.
 */
export async function requireRoom(queries: Queries, id: string, bytes: number): Promise<void> {
  const publisher = await queries.publisher.findUnique({ where: { id }, select: { quota: true } });
  if (publisher?.quota == null) return;
  const used = await usedBy(queries, id);
  if (used + bytes > Number(publisher.quota))
    throw problem(
      "quota-exceeded",
      `${id} keeps ${used} of the ${publisher.quota} bytes that it may keep; ${bytes} more do not fit.`,
    );
}

/** The same for files: those whose bytes the publisher keeps already, or is sending, need no more room. */
export async function requireRoomFor(
  queries: Queries,
  id: string,
  files: readonly { size: number; digest: Digest }[],
): Promise<void> {
  const publisher = await queries.publisher.findUnique({ where: { id }, select: { quota: true } });
  if (publisher?.quota == null) return;
  const sizes = new Map(files.map(({ digest, size }) => [digest as string, size]));
  const wanted = [...sizes.keys()];
  const own = await queries.$queryRaw<{ digest: string }[]>`
    SELECT b.digest FROM blob b WHERE b.state = 'stored' AND b.digest = ANY(${wanted}::text[])
      AND EXISTS (SELECT FROM blob_reference r WHERE r.blob_id = b.id AND r.publisher_id = ${id})
    UNION
    SELECT u.digest FROM upload u
    WHERE u.publisher_id = ${id} AND u.state IN ('open', 'verifying') AND u.digest = ANY(${wanted}::text[])`;
  for (const { digest } of own) sizes.delete(digest);
  let bytes = 0;
  for (const size of sizes.values()) bytes += size;
  if (bytes > 0) await requireRoom(queries, id, bytes);
}

async function usedBy(queries: Queries, id: string): Promise<number> {
  const [row] = await queries.$queryRaw<{ bytes: bigint }[]>`
    SELECT (
      coalesce((SELECT sum(b.size) FROM blob b
                WHERE b.id IN (SELECT blob_id FROM blob_reference WHERE publisher_id = ${id})), 0)
      + coalesce((SELECT sum(size) FROM upload WHERE publisher_id = ${id} AND state IN ('open', 'verifying')), 0)
    )::bigint AS bytes`;
  return Number(row?.bytes ?? 0);
}
