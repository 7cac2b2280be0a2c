import type { FastifyBaseLogger } from "fastify";
import type { Database } from "../database/client.ts";
import { inTransaction } from "../database/transaction.ts";
import type { BlobStore, StoredName } from "./blob-store.ts";

export interface CollectionDeps {
  database: Database;
  store: BlobStore;
  log: Pick<FastifyBaseLogger, "warn">;
}

/** What a collection took away. */
export interface Collected {
  blobs: number;
  bytes: bigint;
  /** Bytes of blobs, and parts of uploads, that no row knew. */
  strays: number;
}

/** Rows looked at between two requests to the store. */
const BATCH = 500;

/**
 * Deletes the bytes that nothing refers to, rows first and bytes second, so that a crash anywhere leaves only
 * what the next collection finishes. `grace` in seconds; it must be longer than any transaction that takes
 * references can be open (`TRANSACTION_TIMEOUT`). May run beside itself: each step is one statement or can be
 * done twice, and storage keys are never used again.
 */
export async function collectGarbage(deps: CollectionDeps, grace: number): Promise<Collected> {
  await markUnreferenced(deps.database, grace);
  const collected = await finishDeleting(deps);
  const strays = (await deleteStrayBlobs(deps, grace)) + (await discardStrayParts(deps, grace));
  return { ...collected, strays };
}

/**
 * stored → deleting, for blobs without a reference. Each row is locked first and asked about after: who takes a
 * reference locks it too (references.ts), so that one taken before is committed and seen by then, and one that comes
 * later finds the row marked. What somebody is at is left for the next collection. No clock decides whether bytes are
 * kept: `touched_at` only says since when nobody wanted them.
 */
async function markUnreferenced(database: Database, grace: number): Promise<void> {
  for (let last = 0; ; ) {
    const found = await inTransaction(database, async (tx) => {
      const rows = await tx.$queryRaw<{ id: number }[]>`
        SELECT id FROM blob b
        WHERE state = 'stored' AND id > ${last} AND touched_at < now() - make_interval(secs => ${grace})
          AND NOT EXISTS (SELECT FROM blob_reference r WHERE r.blob_id = b.id)
        ORDER BY id LIMIT ${BATCH} FOR UPDATE OF b SKIP LOCKED`;
      const ids = rows.map(({ id }) => id);
      // A statement of its own, which sees what was committed before the locks were had.
      await tx.$executeRaw`
        UPDATE blob SET state = 'deleting'
        WHERE id = ANY(${ids}::int[]) AND NOT EXISTS (SELECT FROM blob_reference r WHERE r.blob_id = blob.id)`;
      return ids;
    });
    if (found.length < BATCH) return;
    last = found.at(-1)!;
  }
}

/** Deletes the bytes, then the row, of what is marked; also what an earlier collection marked and didn't finish. */
async function finishDeleting({
  database,
  store,
  log,
}: CollectionDeps): Promise<{ blobs: number; bytes: bigint }> {
  let [blobs, bytes, last] = [0, 0n, 0];
  for (;;) {
    const marked = await database.prisma.blob.findMany({
      where: { state: "deleting", id: { gt: last } },
      orderBy: { id: "asc" },
      take: BATCH,
    });
    for (const { id, storageKey, size } of marked) {
      last = id;
      // The row stays, for the next collection to try again.
      if (!(await taken(storageKey, () => store.delete(storageKey), log))) continue;
      const { count } = await database.prisma.blob.deleteMany({ where: { id, state: "deleting" } });
      blobs += count;
      if (count > 0) bytes += size;
    }
    if (marked.length < BATCH) return { blobs, bytes };
  }
}

/**
 * Bytes that no row knows: a completion died between the two. Each has an upload from before its first byte on, which
 * becomes stored in the transaction that makes the blob's row. So uploads are asked first: what is neither on its way
 * then nor a blob afterwards will never be one, whatever the clocks of the hub and its store say of its age.
 */
async function deleteStrayBlobs({ database, store, log }: CollectionDeps, grace: number): Promise<number> {
  let count = 0;
  for await (const keys of oldNames(store, "blobs", grace)) {
    // Bytes that are being verified, or are joined and waiting for it: an upload's id is their key.
    const known = await living(database, keys);
    const rows = await database.prisma.blob.findMany({
      where: { storageKey: { in: keys } },
      select: { storageKey: true },
    });
    for (const { storageKey } of rows) known.add(storageKey);
    for (const key of keys.filter((name) => !known.has(name)))
      if (await taken(key, () => store.delete(key), log)) count += 1;
  }
  return count;
}

/** Parts of uploads that have ended, or that no row knows: whoever ended them died before they were gone. */
async function discardStrayParts({ database, store, log }: CollectionDeps, grace: number): Promise<number> {
  let count = 0;
  for await (const ids of oldNames(store, "uploads", grace)) {
    const open = await living(database, ids);
    for (const id of ids.filter((name) => !open.has(name)))
      if (await taken(id, () => store.discardUpload(id), log)) count += 1;
  }
  return count;
}

/**
 * Takes bytes away; whether that could be done. What can't be taken now, from a full disk for one, is left for the next
 * collection and keeps no other from going.
 */
async function taken(
  storageKey: string,
  takeAway: () => Promise<void>,
  log: CollectionDeps["log"],
): Promise<boolean> {
  try {
    await takeAway();
    return true;
  } catch (err) {
    log.warn({ err, storageKey }, "bytes that nothing refers to could not be deleted");
    return false;
  }
}

/** Those of some names that are uploads which have not ended. */
async function living({ prisma }: Database, names: string[]): Promise<Set<string>> {
  const rows = await prisma.upload.findMany({
    where: { id: { in: names }, state: { in: ["open", "verifying"] } },
    select: { id: true },
  });
  return new Set(rows.map(({ id }) => id));
}

/** The names in a store that were written longer ago than the grace, some at a time. */
async function* oldNames(
  store: BlobStore,
  what: "blobs" | "uploads",
  grace: number,
): AsyncGenerator<string[]> {
  const before = Date.now() - grace * 1_000;
  const isOld = ({ writtenAt }: StoredName) => writtenAt.getTime() < before;
  let cursor: string | undefined;
  do {
    const page = await store.list(what, cursor);
    const names = page.items.filter(isOld).map(({ name }) => name);
    for (let start = 0; start < names.length; start += BATCH) yield names.slice(start, start + BATCH);
    cursor = page.next;
  } while (cursor !== undefined);
}
