import type { Digest } from "@modulehub/core";
import type { Queries } from "../database/client.ts";
import { Prisma } from "../database/generated/client.ts";

/** What keeps a blob alive. */
export interface Holder {
  kind: "version" | "documentation" | "draft" | "head" | "upload" | "data-set" | "checkpoint" | "job-file";
  /**
   * Of documentation, its version's: one holder keeps the files of every revision. Of a head, its module's. The last
   * three are of a job.
   */
  id: string;
  publisher: string;
}

export interface StoredBlob {
  id: number;
  digest: Digest;
  size: number;
  storageKey: string;
}

/**
 * Those of some digests whose bytes a publisher may refer to: its own, and those of public modules. Others
 * count as missing, although they may be stored: knowing a digest must not tell that a private file exists.
 */
export async function blobsOpenTo(
  queries: Queries,
  publisher: string,
  digests: readonly Digest[],
): Promise<Map<Digest, StoredBlob>> {
  const wanted = [...new Set(digests)];
  const rows = await queries.$queryRaw<{ id: number; digest: Digest; size: bigint; storage_key: string }[]>`
    SELECT b.id, b.digest, b.size, b.storage_key FROM blob b
    WHERE b.state = 'stored' AND b.digest = ANY(${wanted}::text[]) AND EXISTS (
      SELECT FROM blob_reference r
      LEFT JOIN version v ON v.id = CASE WHEN r.holder_kind IN ('version', 'documentation') THEN r.holder_id::int END
      LEFT JOIN module m ON m.id = v.module_id
      WHERE r.blob_id = b.id AND (r.publisher_id = ${publisher} OR m.visibility = 'public'))`;
  return new Map(
    rows.map(({ id, digest, size, storage_key }) => [
      digest,
      { id, digest, size: Number(size), storageKey: storage_key },
    ]),
  );
}

/** The stored blob of a digest, whoever's it is: for what refers to it already. */
export async function storedBlob(queries: Queries, digest: string): Promise<StoredBlob | undefined> {
  const row = await queries.blob.findFirst({ where: { digest, state: "stored" } });
  if (row === null) return undefined;
  return { id: row.id, digest: row.digest as Digest, size: Number(row.size), storageKey: row.storageKey };
}

/**
 * Makes a holder keep blobs alive, and returns the ids of those it now keeps; one that is missing from them
 * is being collected, and its bytes must be sent again. That the row is locked is what saves it from a collection that
 * runs beside this transaction, which would not see the reference alone. Rows are locked in the order of their ids, so
 * that two holders can't wait for each other.
 */
export async function takeReferences(
  queries: Queries,
  holder: Holder,
  blobs: readonly number[],
): Promise<Set<number>> {
  const ids = [...new Set(blobs)];
  const rows = await queries.$queryRaw<{ id: number }[]>`
    UPDATE blob SET touched_at = clock_timestamp()
    WHERE state = 'stored' AND id IN (
      SELECT id FROM blob WHERE id = ANY(${ids}::int[]) AND state = 'stored' ORDER BY id FOR UPDATE)
    RETURNING id`;
  const kept = rows.map(({ id }) => id);
  await queries.$executeRaw`
    INSERT INTO blob_reference (blob_id, holder_kind, holder_id, publisher_id)
    SELECT id, ${holder.kind}, ${holder.id}, ${holder.publisher} FROM unnest(${kept}::int[]) AS id
    ON CONFLICT DO NOTHING`;
  return new Set(kept);
}

/** Lets go of all that a holder kept alive. */
export const dropReferences = (queries: Queries, { kind, id }: Pick<Holder, "kind" | "id">): Promise<void> =>
  dropReferencesWhere(queries, Prisma.sql`holder_kind = ${kind} AND holder_id = ${id}`);

/** Lets go of what a holder kept alive, but for some blobs. */
export const dropOtherReferences = (
  queries: Queries,
  { kind, id }: Pick<Holder, "kind" | "id">,
  kept: readonly number[],
): Promise<void> =>
  dropReferencesWhere(
    queries,
    Prisma.sql`holder_kind = ${kind} AND holder_id = ${id} AND blob_id <> ALL(${[...kept]}::int[])`,
  );

/**
 * Lets go of the references for which a condition on the columns of `blob_reference` holds. Bytes that nothing refers
 * to any more have their whole grace from now on: for downloads that have begun, and for a backup that copies the
 * database first. A row that somebody is at is being touched anyway.
 */
export async function dropReferencesWhere(queries: Queries, condition: Prisma.Sql): Promise<void> {
  const rows = await queries.$queryRaw<{ blob_id: number }[]>`
    DELETE FROM blob_reference WHERE ${condition} RETURNING blob_id`;
  const ids = [...new Set(rows.map(({ blob_id }) => blob_id))];
  if (ids.length > 0)
    await queries.$executeRaw`
      UPDATE blob SET touched_at = clock_timestamp() WHERE id IN (
        SELECT id FROM blob b WHERE id = ANY(${ids}::int[])
          AND NOT EXISTS (SELECT FROM blob_reference r WHERE r.blob_id = b.id)
        FOR UPDATE OF b SKIP LOCKED)`;
}
