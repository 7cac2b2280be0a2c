import type { Database } from "../database/client.ts";
import { inTransaction } from "../database/transaction.ts";
import type { BlobStore, StoredName } from "./blob-store.ts";
import { takenAway, type WarningLog } from "./take-away.ts";

export interface CollectionDeps {
  database: Database;
  store: BlobStore;
  log: WarningLog;
  /** Ends the collection early; the next one goes on. */
  signal?: AbortSignal | undefined;
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
 * what the next collection finishes. `grace`, in seconds, is how long bytes stay that nobody wants: for downloads that
 * have begun, for backups that copy the database first, and for clients that come back. It may be anything, 0 too,
 * without a reference being lost. May run beside itself: each step is one statement or can be done twice, and storage
 * keys are never used again. Throws the signal's reason once that is given.
 */
export async function collectGarbage(deps: CollectionDeps, grace: number): Promise<Collected> {
  await markUnreferenced(deps, grace);
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
async function markUnreferenced({ database, signal }: CollectionDeps, grace: number): Promise<void> {
  for (let last = 0; ; ) {
    signal?.throwIfAborted();
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
  signal,
}: CollectionDeps): Promise<{ blobs: number; bytes: bigint }> {
  let [blobs, bytes, last] = [0, 0n, 0];
  for (;;) {
    const marked = await database.prisma.blob.findMany({
      where: { state: "deleting", id: { gt: last } },
      orderBy: { id: "asc" },
      take: BATCH,
    });
    for (const { id, storageKey, size } of marked) {
      signal?.throwIfAborted();
      last = id;
      // The row stays, for the next collection to try again.
      if (!(await takenAway(storageKey, () => store.delete(storageKey), log))) continue;
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
async function deleteStrayBlobs(
  { database, store, log, signal }: CollectionDeps,
  grace: number,
): Promise<number> {
  let count = 0;
  for await (const keys of oldNames(store, "blobs", grace, signal)) {
    // Bytes that are being verified, or are joined and waiting for it: an upload's id is their key.
    const known = await living(database, keys);
    const rows = await database.prisma.blob.findMany({
      where: { storageKey: { in: keys } },
      select: { storageKey: true },
    });
    for (const { storageKey } of rows) known.add(storageKey);
    for (const key of keys.filter((name) => !known.has(name))) {
      signal?.throwIfAborted();
      if (await takenAway(key, () => store.delete(key), log)) count += 1;
    }
  }
  return count;
}

/** Parts of uploads that have ended, or that no row knows: whoever ended them died before they were gone. */
async function discardStrayParts(
  { database, store, log, signal }: CollectionDeps,
  grace: number,
): Promise<number> {
  let count = 0;
  for await (const ids of oldNames(store, "uploads", grace, signal)) {
    const open = await living(database, ids);
    for (const id of ids.filter((name) => !open.has(name))) {
      signal?.throwIfAborted();
      if (await takenAway(id, () => store.discardUpload(id), log)) count += 1;
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
  signal: AbortSignal | undefined,
): AsyncGenerator<string[]> {
  const before = Date.now() - grace * 1_000;
  const isOld = ({ writtenAt }: StoredName) => writtenAt.getTime() < before;
  let cursor: string | undefined;
  do {
    signal?.throwIfAborted();
    const page = await store.list(what, cursor);
    const names = page.items.filter(isOld).map(({ name }) => name);
    for (let start = 0; start < names.length; start += BATCH) yield names.slice(start, start + BATCH);
    cursor = page.next;
  } while (cursor !== undefined);
}
