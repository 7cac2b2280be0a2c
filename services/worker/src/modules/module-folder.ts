import { copyFile, link, mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isSafeFilePath, problem, type VersionFile } from "@modulehub/core";
import { COMPILED_PREFIX } from "@modulehub/runtime";
import type { BlobCache } from "./blob-cache.ts";

/** Files that are fetched at the same time. */
const PARALLEL = 4;

/** The files that running a module needs: all but its documentation. */
export const runtimeFiles = (files: readonly VersionFile[]): VersionFile[] =>
  files.filter(({ role }) => role !== "doc");

/**
 * Why a version's paths can't be put into a folder; undefined where they can. A file of the publisher's under the
 * name of a compiled graph would be loaded in its stead, without the checks of external data.
 */
export function pathFault(files: readonly VersionFile[]): string | undefined {
  for (const { path } of files) {
    if (!isSafeFilePath(path)) return "A file's path leads out of the module.";
    if (basename(path).startsWith(COMPILED_PREFIX))
      return `Names that begin with ${COMPILED_PREFIX} are the hub's own.`;
  }
  return undefined;
}

/**
 * Puts a version's files into a folder under their paths, as links to the blobs where the file system has
 * them, else as copies. Throws `invalid-path`, and what fetching throws.
 */
export async function assembleFolder(
  folder: string,
  files: readonly VersionFile[],
  blobs: BlobCache,
  signal: AbortSignal,
): Promise<void> {
  const fault = pathFault(files);
  if (fault) throw problem("invalid-path", fault);
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
