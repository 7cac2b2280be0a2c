import { dropReferencesWhere } from "../blobs/references.ts";
import type { Database } from "../database/client.ts";
import { Prisma } from "../database/generated/client.ts";
import { inTransaction } from "../database/transaction.ts";
import type { DraftEvents } from "./draft-events.ts";
import { expireDraft } from "./transitions.ts";
import { discardBytes, discardParts, endUpload, type UploadDeps } from "./uploads.ts";

/** Rows taken at once. */
const BATCH = 500;

/** How long an upload that is over is still told of, in seconds. */
const REMEMBERED = 2 * 24 * 3_600;

/**
 * Ends the drafts whose time is up, so that they keep no bytes alive. One that is published again meanwhile stays.
 * Returns how many; throws the signal's reason once that is given.
 */
export async function expireDrafts(
  database: Database,
  events: DraftEvents,
  now: Date = new Date(),
  signal?: AbortSignal,
): Promise<number> {
  let [count, last] = [0, ""];
  for (;;) {
    const due = await database.prisma.draft.findMany({
      where: { state: { in: ["uploading", "failed"] }, expiresAt: { lt: now }, id: { gt: last } },
      select: { id: true },
      orderBy: { id: "asc" },
      take: BATCH,
    });
    for (const { id } of due) {
      signal?.throwIfAborted();
      last = id;
      if (!(await expireDraft(database, id, now))) continue;
      count += 1;
      events.tell(id, { kind: "changed" });
    }
    if (due.length < BATCH) return count;
  }
}

export interface ExpiryDeps extends UploadDeps {
  /** Ends it early; the next time goes on. */
  signal?: AbortSignal | undefined;
}

/**
 * Cancels the uploads that wait for parts and whose time is up, and lets go of the blobs of those that were
 * completed, unless a draft of the same publisher still waits for them. Bytes that the store doesn't take away are
 * warned of, and go with a collection. Returns how many were cancelled; throws the signal's reason once that is given.
 */
export async function expireUploads(deps: ExpiryDeps, now: Date = new Date()): Promise<number> {
  const { database, signal } = deps;
  const { prisma } = database;
  let count = 0;
  for (;;) {
    const due = await prisma.upload.findMany({
      where: { state: { in: ["open", "verifying"] }, expiresAt: { lt: now } },
      select: { id: true },
      take: BATCH,
    });
    for (const { id } of due) {
      signal?.throwIfAborted();
      if (!(await endUpload(database, id, "cancelled"))) continue;
      count += 1;
      await discardBytes(deps, id);
      await discardParts(deps, id);
    }
    if (due.length < BATCH) break;
  }
  await inTransaction(database, (tx) =>
    dropReferencesWhere(
      tx,
      Prisma.sql`holder_kind = 'upload' AND holder_id IN (
        SELECT u.id FROM upload u WHERE u.expires_at < ${now} AND NOT EXISTS (
          SELECT FROM draft d JOIN module m ON m.id = d.module_id
          WHERE d.state IN ('uploading', 'failed') AND m.publisher_id = u.publisher_id
            AND d.files @> jsonb_build_array(jsonb_build_object('digest', u.digest))))`,
    ),
  );
  await prisma.$executeRaw`
    DELETE FROM upload u
    WHERE u.state NOT IN ('open', 'verifying') AND u.expires_at < ${now}::timestamptz - make_interval(secs => ${REMEMBERED})
      AND NOT EXISTS (SELECT FROM blob_reference WHERE holder_kind = 'upload' AND holder_id = u.id)`;
  return count;
}
