import { dropReferencesWhere } from "../blobs/references.ts";
import type { Database } from "../database/client.ts";
import { Prisma } from "../database/generated/client.ts";
import { inTransaction } from "../database/transaction.ts";
import type { DraftEvents } from "./draft-events.ts";
import { expireDraft } from "./transitions.ts";
import { cancelUpload, type UploadDeps } from "./uploads.ts";

/** Rows taken at once. */
const BATCH = 500;

/** How long an upload that is over is still told of, in seconds. */
const REMEMBERED = 2 * 24 * 3_600;

/**
 * Ends the drafts whose time is up, so that they keep no bytes alive. One that is published again meanwhile stays.
 * Returns how many.
 */
export async function expireDrafts(
  database: Database,
  events: DraftEvents,
  now: Date = new Date(),
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
      last = id;
      if (!(await expireDraft(database, id, now))) continue;
      count += 1;
      events.tell(id, { kind: "changed" });
    }
    if (due.length < BATCH) return count;
  }
}

/**
 * Cancels the uploads that wait for parts and whose time is up, and lets go of the blobs of those that were
 * completed, unless a draft of the same publisher still waits for them. Returns how many were cancelled.
 */
export async function expireUploads(deps: UploadDeps, now: Date = new Date()): Promise<number> {
  const { prisma } = deps.database;
  let count = 0;
  for (;;) {
    const due = await prisma.upload.findMany({
      where: { state: { in: ["open", "verifying"] }, expiresAt: { lt: now } },
      take: BATCH,
    });
    for (const upload of due) await cancelUpload(deps, upload);
    count += due.length;
    if (due.length < BATCH) break;
  }
  await inTransaction(deps.database, (tx) =>
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
