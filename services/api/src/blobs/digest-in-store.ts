import { createHash } from "node:crypto";
import { type Digest, digestOfHex, problem } from "@modulehub/core";
import type { BlobStore } from "./blob-store.ts";

/** Bytes that lie in a store, `size` of them. */
interface Stored {
  key: string;
  size: number;
}

/**
 * The digest of bytes that a store did not hash, read once; those that aren't what was promised twice. Throws
 * `store-unavailable` where the store doesn't give the same bytes both times: then it isn't known what it has.
 */
export async function digestInStore(
  store: BlobStore,
  stored: Stored,
  promised: Digest,
  signal?: AbortSignal,
): Promise<Digest> {
  const read = () => digestOfBytes(store, stored, signal);
  const actual = await read();
  if (actual !== promised && (await read()) !== actual)
    throw problem("store-unavailable", `The blob store does not give the same bytes of ${stored.key} twice.`);
  return actual;
}

async function digestOfBytes(
  store: BlobStore,
  { key, size }: Stored,
  signal: AbortSignal | undefined,
): Promise<Digest> {
  const hash = createHash("sha256");
  for await (const piece of await store.read(key, size)) {
    signal?.throwIfAborted();
    hash.update(piece);
  }
  return digestOfHex(hash.digest("hex"));
}
