import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { digestOfHex } from "@modulehub/core";
import type { BlobStore, Part } from "../blobs/blob-store.ts";
import { filesystemPaths } from "../blobs/filesystem-paths.ts";
import { beginUpload, sendPart } from "../blobs/send-part.ts";
import { partSizeFor } from "../publish/uploads.ts";

/** Where bytes come from and go to. The source is a data folder, in which nobody is at work. */
export interface Stores {
  from: BlobStore;
  folder: string;
  to: BlobStore;
}

export interface Bytes {
  key: string;
  digest: string;
  size: number;
}

/**
 * Copies the bytes under a key and reads them back: what is there has the digest, or this throws. Bytes that the
 * target has already, from a move that was broken off, are read back and not sent again. Returns whether any were sent.
 */
export async function copyBytes({ from, to }: Stores, { key, digest, size }: Bytes): Promise<boolean> {
  if ((await digestAt(to, key, size)) === digest) return false;
  await to.discardUpload(key);
  await to.delete(key);
  const partSize = partSizeFor(size, Math.max(8_388_608, to.leastPartSize));
  const parts = Array.from({ length: Math.ceil(size / partSize) }, (_, index): Part => {
    const start = index * partSize;
    return { number: index + 1, size: Math.min(partSize, size - start) };
  });
  const upload = await beginUpload(to, key, parts);
  for (const part of parts) {
    const start = (part.number - 1) * partSize;
    const pieces = await from.read(key, size, { start, end: start + part.size - 1 });
    await sendPart(to, upload, part, Readable.from(copies(pieces)));
  }
  await to.assemble(upload, parts);
  await to.discardUpload(key);
  const arrived = await digestAt(to, key, size);
  if (arrived !== digest)
    throw new Error(
      `The bytes of ${key} arrived as ${arrived ?? "nothing"}, not as ${digest}; the source may be damaged: see modulehub fsck --deep.`,
    );
  return true;
}

/** Copies of pieces: a stream reads ahead, and a piece is what it is only until the next is asked for. */
async function* copies(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const piece of pieces) yield Buffer.from(piece);
}

/** Copies the parts that an open upload has, and returns the store's handle of it. */
export async function copyParts(
  { from, folder, to }: Stores,
  key: string,
  parts: readonly Part[],
): Promise<string> {
  const received = await from.received({ key, handle: "" }, parts);
  const numbers = received === "assembled" ? [] : received;
  await to.discardUpload(key);
  if (numbers.length === 0) return "";
  const upload = await beginUpload(to, key, parts);
  const paths = filesystemPaths(folder);
  for (const part of parts)
    if (numbers.includes(part.number))
      await sendPart(to, upload, part, createReadStream(paths.part(key, part.number)));
  return upload.handle;
}

/** The digest of the bytes under a key; undefined where they are not there, or not as many. */
async function digestAt(store: BlobStore, key: string, size: number): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    for await (const piece of await store.read(key, size)) hash.update(piece);
  } catch {
    // A store does not tell what it never had from what it lost; one that can't be reached throws here.
    await store.check();
    return undefined;
  }
  return digestOfHex(hash.digest("hex"));
}
