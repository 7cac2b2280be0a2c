import type { Readable } from "node:stream";
import { type Digest, problem } from "@modulehub/core";
import { request } from "undici";
import type { BlobStore, Part, PartsDirect, StoreUpload } from "./blob-store.ts";
import { digestInStore } from "./digest-in-store.ts";

/** The most bytes of one part, as S3 has it. */
const LARGEST_PART = 5 * 1_073_741_824;

/**
 * Brings bytes that pass the hub, such as a worker's, into a store, as the only part of an upload under a key that was
 * made for them. They are there for good when it returns; what it answers is the digest of what the store has, which
 * its caller compares. Throws `size-mismatch`, `body-too-large`, `store-unavailable`.
 */
export async function storeStream(
  store: BlobStore,
  { key, size, digest }: { key: string; size: number; digest: Digest },
  body: Readable,
): Promise<Digest> {
  if (size > LARGEST_PART)
    throw problem("body-too-large", `A file of ${size} bytes can't pass the hub; ${LARGEST_PART} may.`);
  const { parts } = store;
  const part = { number: 1, size };
  const upload = { key, handle: parts.way === "direct" ? await parts.begin(key) : "" };
  try {
    if (size === 0) body.resume();
    else if (parts.way === "hub") await parts.write(upload, part, body);
    else await put(parts, upload, part, body);
    const told = await store.assemble(upload, size === 0 ? [] : [part]);
    return told ?? (await digestInStore(store, { key, size }, digest));
  } finally {
    await store.discardUpload(key);
  }
}

async function put(parts: PartsDirect, upload: StoreUpload, part: Part, body: Readable): Promise<void> {
  const [url] = await parts.urls(upload, [part]);
  if (url === undefined) throw new TypeError("a store gives an address for each part");
  const headers = { "content-length": String(part.size) };
  const answer = await request(url, { method: "PUT", headers, body }).catch((cause: unknown) => {
    if (body.readableAborted) throw problem("size-mismatch", "The file ended early.", { cause });
    throw problem("store-unavailable", "The blob store did not take a file.", { cause });
  });
  await answer.body.dump();
  if (answer.statusCode !== 200)
    throw problem("store-unavailable", `The blob store answered ${answer.statusCode} to a file.`);
}
