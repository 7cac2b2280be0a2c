import { createHash } from "node:crypto";
import { collectGarbage } from "@modulehub/buffer-sweep";
import { type Digest, digestOfHex, problem } from "@modulehub/core";
import type { BlobStore } from "./blob-store.ts";

/** Bytes read between two sweeps of the buffers that have been hashed. */
const SWEEP_AFTER = 4_194_304;

/**
 * Sweeps after which all is swept: each makes old some 30 kB of what is still needed at that moment, buffers of chunks
 * not counted. Left to V8 they were 120 MB after 100 GB. Some 60 ms, once in 512 MB.
 */
const WHOLE_SWEEP_AFTER = 128;
/** The first comes sooner: joining thousands of parts has just left its garbage. */
const FIRST_WHOLE_SWEEP_AFTER = 16;

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
  let sinceSweep = 0;
  let sweeps = WHOLE_SWEEP_AFTER - FIRST_WHOLE_SWEEP_AFTER;
  for await (const piece of await store.read(key, size)) {
    signal?.throwIfAborted();
    hash.update(piece);
    sinceSweep += piece.byteLength;
    if (sinceSweep < SWEEP_AFTER) continue;
    sinceSweep = 0;
    sweeps += 1;
    collectGarbage(sweeps % WHOLE_SWEEP_AFTER === 0 ? "major" : "minor");
  }
  return digestOfHex(hash.digest("hex"));
}
