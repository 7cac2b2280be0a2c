import { copyFile, link, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isSafeFilePath, problem, type VersionFile } from "@modulehub/core";
import type { BlobCache } from "./blob-cache.ts";

/** Files that are fetched at the same time. */
const PARALLEL = 4;

/** The files that running a module needs: all but its documentation. */
export const runtimeFiles = (files: readonly VersionFile[]): VersionFile[] =>
  files.filter(({ role }) => role !== "doc");

/**
 * Puts a version's files into a folder under their paths, as links to the blobs where the file system has
 * them, else as copies. Throws `invalid-path` for a path that would leave the folder, and what fetching throws.
 */
export async function assembleFolder(
  folder: string,
  files: readonly VersionFile[],
  blobs: BlobCache,
  signal: AbortSignal,
): Promise<void> {
  for (const { path } of files)
    if (!isSafeFilePath(path)) throw problem("invalid-path", "A file's path leads out of the module.");
  await mkdir(folder, { recursive: true });
  const waiting = [...files];
  const place = async (): Promise<void> => {
    for (let file = waiting.pop(); file; file = waiting.pop()) {
      const blob = await blobs.fetch(file.digest, file.size, signal);
      const target = join(folder, file.path);
      await mkdir(dirname(target), { recursive: true });
      await link(blob, target).catch(() => copyFile(blob, target));
    }
  };
  const placing = Array.from({ length: PARALLEL }, place);
  const outcomes = await Promise.allSettled(placing);
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}
