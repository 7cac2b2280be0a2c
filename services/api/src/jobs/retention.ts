import { problem } from "@modulehub/core";
import { dropReferencesWhere } from "../blobs/references.ts";
import type { Database, Queries } from "../database/client.ts";
import { Prisma } from "../database/generated/client.ts";
import { inTransaction } from "../database/transaction.ts";

/** Jobs forgotten at once: each may have thousands of lines of log, and an embedded database does nothing else meanwhile. */
const BATCH = 20;

/**
 * Forgets the jobs that ended longer ago than `seconds`, and lets go of their data sets. What they published or
 * evaluated stays. Returns how many; throws the signal's reason once that is given.
 */
export async function forgetJobs(database: Database, seconds: number, signal?: AbortSignal): Promise<number> {
  for (let count = 0; ; ) {
    signal?.throwIfAborted();
    const forgotten = await inTransaction(database, (tx) => forget(tx, seconds));
    count += forgotten;
    if (forgotten < BATCH) return count;
  }
}

async function forget(tx: Queries, seconds: number): Promise<number> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM job WHERE ended_at < now() - make_interval(secs => ${seconds})
    ORDER BY id LIMIT ${BATCH} FOR UPDATE SKIP LOCKED`;
  await remove(
    tx,
    rows.map(({ id }) => id),
  );
  return rows.length;
}

/** Forgets a publisher's jobs, that it may be deleted. Throws `publisher-not-empty` while one is under way. */
export async function forgetJobsOf(tx: Queries, publisher: string): Promise<void> {
  const rows = await tx.job.findMany({
    where: { publisherId: publisher },
    select: { id: true, endedAt: true },
  });
  if (rows.some(({ endedAt }) => endedAt === null))
    throw problem("publisher-not-empty", `A job of ${publisher} is under way; cancel it first.`);
  await remove(
    tx,
    rows.map(({ id }) => id),
  );
}

async function remove(tx: Queries, ids: string[]): Promise<void> {
  await dropReferencesWhere(
    tx,
    Prisma.sql`holder_kind IN ('data-set', 'checkpoint', 'job-file') AND holder_id = ANY(${ids}::text[])`,
  );
  await tx.job.deleteMany({ where: { id: { in: ids } } });
}
