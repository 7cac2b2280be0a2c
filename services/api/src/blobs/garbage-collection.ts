import type { FastifyBaseLogger } from "fastify";
import type { Database } from "../database/client.ts";
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
 * stored → deleting, for blobs without a reference. Under READ COMMITTED the subquery does not see a reference
 * whose transaction is still open, and is not asked again after waiting for that one's row lock; the row itself
 * is. Who takes a reference therefore touches the row (references.ts), and it is `touched_at` that saves the blob.
 */
async function markUnreferenced(database: Database, grace: number): Promise<void> {
  await database.prisma.$executeRaw`
    UPDATE blob SET state = 'deleting'
    WHERE state = 'stored' AND touched_at < now() - make_interval(secs => ${grace})
      AND NOT EXISTS (SELECT FROM blob_reference WHERE blob_id = blob.id)`;
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
      try {
        await store.delete(storageKey);
      } catch (err) {
        // The row stays, for the next collection to try again.
        log.warn({ err, storageKey }, "bytes of a blob could not be deleted");
        continue;
      }
      const { count } = await database.prisma.blob.deleteMany({ where: { id, state: "deleting" } });
      blobs += count;
      if (count > 0) bytes += size;
    }
    if (marked.length < BATCH) return { blobs, bytes };
  }
}

/** Bytes without a row: a completion died between the two. */
async function deleteStrayBlobs({ database, store }: CollectionDeps, grace: number): Promise<number> {
  let count = 0;
  for await (const keys of oldNames(store, "blobs", grace)) {
    const rows = await database.prisma.blob.findMany({
      where: { storageKey: { in: keys } },
      select: { storageKey: true },
    });
    const known = new Set(rows.map(({ storageKey }) => storageKey));
    // Bytes that are being verified, or are joined and waiting for it: an upload's id is their key.
    for (const id of await living(database, keys)) known.add(id);
    for (const key of keys.filter((name) => !known.has(name))) {
      await store.delete(key);
      count += 1;
    }
  }
  return count;
}

/** Parts of uploads that have ended, or that no row knows: whoever ended them died before they were gone. */
async function discardStrayParts({ database, store }: CollectionDeps, grace: number): Promise<number> {
  let count = 0;
  for await (const ids of oldNames(store, "uploads", grace)) {
    const open = await living(database, ids);
    for (const id of ids.filter((name) => !open.has(name))) {
      await store.discardUpload(id);
      count += 1;
    }
  }
  return count;
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
