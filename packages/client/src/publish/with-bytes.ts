import { type Digest, ProblemError } from "@modulehub/core";
import { runAll } from "../tasks/run-all.ts";
import { Slots } from "../tasks/slots.ts";
import type { Transport } from "../transport.ts";
import { hashFile, type SourceFile } from "./source-file.ts";
import { upload } from "./upload.ts";

/** A file with the digest of its bytes. */
export interface HashedFile {
  source: SourceFile;
  digest: Digest;
}

/** Files sent at once. */
const FILES_AT_ONCE = 4;

/**
 * Makes a call that refers to files by their digests. Where the hub says that bytes are missing, they are sent, and the
 * call is made again.
 */
export async function withBytes<T>(
  transport: Transport,
  publisher: string,
  files: readonly HashedFile[],
  signal: AbortSignal,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== "blobs-missing") throw error;
    const missing = new Set(error.errors?.map((each) => each.path));
    const wanted = new Map<Digest, SourceFile>();
    for (const { source, digest } of files) if (missing.has(source.path)) wanted.set(digest, source);
    const slots = new Slots(FILES_AT_ONCE);
    await runAll([...wanted], FILES_AT_ONCE, signal, ([digest, source], signal) =>
      upload({ transport, publisher, source, digest, slots, onSent: () => undefined, signal }),
    );
    return call();
  }
}

/** The files with their digests, each read once. */
export async function hashFiles(files: readonly SourceFile[], signal: AbortSignal): Promise<HashedFile[]> {
  const hashed: HashedFile[] = [];
  for (const source of files)
    hashed.push({ source, digest: await hashFile(source, () => undefined, signal) });
  return hashed;
}
