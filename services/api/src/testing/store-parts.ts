import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { request } from "undici";
import type { BlobStore, Part, StoreUpload } from "../blobs/blob-store.ts";

/** The parts that so many bytes make. */
export function partsOf(size: number, partSize: number): Part[] {
  const count = Math.ceil(size / partSize);
  return Array.from({ length: count }, (_, index) => ({
    number: index + 1,
    size: Math.min(partSize, size - index * partSize),
  }));
}

/** Begins an upload under a key, or one of its own. */
export async function beginUpload(store: BlobStore, key: string = randomUUID()): Promise<StoreUpload> {
  return { key, handle: store.parts.way === "direct" ? await store.parts.begin(key) : "" };
}

/** Sends a part the way that its store wants it. Throws what the hub does, or says how the store answered. */
export async function sendPart(
  store: BlobStore,
  upload: StoreUpload,
  part: Part,
  bytes: Uint8Array,
): Promise<void> {
  if (store.parts.way === "hub") return store.parts.write(upload, part, Readable.from(chunked(bytes)));
  const [url] = await store.parts.urls(upload, [part]);
  await putPart(url!, bytes);
}

/** How often a part is sent to a store that could not take it. */
const TRIES = 3;

/** Sends a part to the address that a store gave for it, again where that broke off. Throws with the status unless it was taken. */
export async function putPart(url: string, bytes: Uint8Array): Promise<void> {
  for (let tries = 1; ; tries++) {
    const answer = await request(url, { method: "PUT", body: Buffer.from(bytes) }).catch((error: unknown) => {
      if (tries === TRIES) throw error;
      return undefined;
    });
    const said = await answer?.body.text();
    if (answer?.statusCode === 200) return;
    if (answer !== undefined && (answer.statusCode < 500 || tries === TRIES))
      throw new Error(`The store answered ${answer.statusCode}: ${said}`);
  }
}

/** Puts bytes into a store under a key, through an upload of their own. */
export async function storeBytes(store: BlobStore, key: string, bytes: Uint8Array): Promise<void> {
  const upload = await beginUpload(store, key);
  const parts = partsOf(bytes.byteLength, Math.max(store.leastPartSize, bytes.byteLength));
  for (const part of parts) await sendPart(store, upload, part, bytes);
  await store.assemble(upload, parts);
  await store.discardUpload(key);
}

function* chunked(bytes: Uint8Array): Generator<Buffer> {
  for (let offset = 0; offset < bytes.byteLength; offset += 65_536)
    yield Buffer.from(bytes.subarray(offset, offset + 65_536));
}
