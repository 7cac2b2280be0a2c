import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { type Digest, digestOfHex } from "@modulehub/core";
import { isSystemError } from "../system-error.ts";

/** The digest of a file's bytes, read once; undefined where there is no file. */
export async function fileDigest(path: string, signal?: AbortSignal): Promise<Digest | undefined> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      signal?.throwIfAborted();
      hash.update(chunk);
    }
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
  return digestOfHex(hash.digest("hex"));
}

/** Whether a file is there with these bytes; one of another length is not read. */
export async function hasContent(
  path: string,
  size: number,
  digest: Digest,
  signal?: AbortSignal,
): Promise<boolean> {
  return (await fileSize(path)) === size && (await fileDigest(path, signal)) === digest;
}

/** The size of a file; undefined where there is none, or no regular file. */
export async function fileSize(path: string): Promise<number | undefined> {
  const entry = await stat(path).catch((error: unknown) => {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  });
  return entry?.isFile() ? entry.size : undefined;
}
