import type { Queries } from "../database/client.ts";
import type { BlobStore } from "./blob-store.ts";
import { readWhole } from "./pieces.ts";
import { storedBlob } from "./references.ts";

/**
 * The beginning of a stored text: at most so many bytes, what is no UTF-8 among them replaced. Throws
 * `store-unavailable` where it can't be read.
 */
export async function readText(
  queries: Queries,
  store: BlobStore,
  digest: string,
  maxBytes: number,
): Promise<string> {
  const blob = await storedBlob(queries, digest);
  if (blob === undefined) throw new Error(`Something refers to ${digest}, which is not stored.`);
  if (blob.size === 0) return "";
  const end = Math.min(blob.size, maxBytes) - 1;
  return (await readWhole(await store.read(blob.storageKey, blob.size, { start: 0, end }))).toString("utf8");
}
