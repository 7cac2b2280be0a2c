import type { Readable } from "node:stream";
import { type Digest, problem } from "@modulehub/core";
import type { BlobStore } from "./blob-store.ts";
import { digestInStore } from "./digest-in-store.ts";
import { beginUpload, sendPart } from "./send-part.ts";
import { takenAway, type WarningLog } from "./take-away.ts";

/** The most bytes of one part, as S3 has it. */
const LARGEST_PART = 5 * 1_073_741_824;

/**
 * Brings bytes that pass the hub, such as a worker's, into a store, as the only part of an upload under a key that was
 * made for them. They are there for good when it returns; what it answers is the digest of what the store has, which
 * its caller compares. Throws `size-mismatch`, `body-too-large`, `store-unavailable`.
 */
export async function storeStream(
  { store, log }: { store: BlobStore; log: WarningLog },
  { key, size, digest }: { key: string; size: number; digest: Digest },
  body: Readable,
): Promise<Digest> {
  if (size > LARGEST_PART)
    throw problem("body-too-large", `A file of ${size} bytes can't pass the hub; ${LARGEST_PART} may.`);
  const parts = size === 0 ? [] : [{ number: 1, size }];
  const upload = await beginUpload(store, key, parts);
  try {
    if (size === 0) body.resume();
    for (const part of parts) await sendPart(store, upload, part, body);
    const told = await store.assemble(upload, parts);
    return told ?? (await digestInStore(store, { key, size }, digest));
  } finally {
    await takenAway(key, () => store.discardUpload(key), log);
  }
}
