import type { BlobStore } from "../blobs/blob-store.ts";
import type { Queries } from "../database/client.ts";

/**
 * Ends the uploads of files that workers were sending for a job, whose try is over: they count no more to what its
 * publisher keeps. Answers with their keys. Whoever still receives one finds its try over, and takes the bytes away;
 * where its process died, `discardJobUploads` does.
 */
export async function endJobUploads(tx: Queries, job: string): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    UPDATE upload SET state = 'cancelled' WHERE job_id = ${job} AND state = 'open' RETURNING id`;
  return rows.map(({ id }) => id);
}

/**
 * Takes away what came of uploads that have ended: all that there is of them. Throws `store-unavailable`; what is left
 * then goes with a collection.
 */
export async function discardJobUploads(store: BlobStore, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    await store.delete(key);
    await store.discardUpload(key);
  }
}
