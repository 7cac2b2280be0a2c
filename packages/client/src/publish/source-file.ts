import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type Digest, digestOfHex } from "@modulehub/core";

/** A file of a module before it is published: bytes on disk, or few of them in memory. */
export interface SourceFile {
  /** From the module's root, with slashes. */
  path: string;
  /** Bytes. */
  size: number;
  content: { file: string } | { bytes: Uint8Array };
}

const CHUNK = 1 << 18;

/** A file of bytes in memory. */
export const memoryFile = (path: string, bytes: Uint8Array): SourceFile => ({
  path,
  size: bytes.byteLength,
  content: { bytes },
});

/** Files of bytes or texts, by their paths. */
export const memoryFiles = (files: Readonly<Record<string, string | Uint8Array>>): SourceFile[] =>
  Object.entries(files).map(([path, content]) =>
    memoryFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content),
  );

/** The bytes from `start` up to, not including, `end`, in chunks. */
export async function* readRange(source: SourceFile, start: number, end: number): AsyncGenerator<Uint8Array> {
  if (start >= end) return;
  if ("bytes" in source.content) yield source.content.bytes.subarray(start, end);
  else yield* createReadStream(source.content.file, { start, end: end - 1, highWaterMark: CHUNK });
}

/** The digest of a file's bytes, read once from end to end. `onBytes` is told of every chunk's length. */
export async function hashFile(
  source: SourceFile,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<Digest> {
  const hash = createHash("sha256");
  for await (const chunk of readRange(source, 0, source.size)) {
    signal?.throwIfAborted();
    hash.update(chunk);
    onBytes(chunk.byteLength);
  }
  return digestOfHex(hash.digest("hex"));
}
