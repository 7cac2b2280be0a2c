import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, digestSchema, isSafeFilePath } from "@modulehub/core";
import { z } from "zod";
import { fileDigest } from "../download/file-digest.ts";
import { isSystemError } from "../system-error.ts";
import type { CacheLayout } from "./layout.ts";
import { readJson } from "./write-whole.ts";

/**
 * What a file's entry in the file system said when its bytes were last verified. Any write changes it, even one
 * that sets the time back: ctime can't be set.
 */
const seenSchema = z.object({ modified: z.string(), changed: z.string(), inode: z.string() });

const listedFile = z.object({
  path: z.string().refine(isSafeFilePath),
  size: z.int(),
  digest: digestSchema,
  seen: seenSchema,
});
export type ListedFile = z.infer<typeof listedFile>;

const versionListSchema = z.object({
  schemaVersion: z.literal(1),
  /** Files as they were published. */
  files: z.array(listedFile),
  /** Graphs that were made from them here. */
  compiled: z.array(listedFile),
});
/** `version.json` of the cache. */
export type VersionList = z.infer<typeof versionListSchema>;

export const readVersionList = (layout: CacheLayout, digest: Digest): Promise<VersionList | undefined> =>
  readJson(layout.versionList(digest), versionListSchema);

/** What is wrong with a version's files, and the list with what is known of them now. */
export interface VerifiedList {
  list: VersionList;
  damaged: ListedFile[];
  /** The entries changed, though not the bytes: the list is worth writing. */
  refreshed: boolean;
}

/**
 * Looks at every file of a version. One whose entry in the file system is as it was is taken for verified, any
 * other is hashed. Rot on the disk itself, which no entry shows, is found by `thorough`, which hashes all.
 */
export async function verifyVersion(
  layout: CacheLayout,
  digest: Digest,
  list: VersionList,
  options: { thorough?: boolean; signal?: AbortSignal },
): Promise<VerifiedList> {
  const damaged: ListedFile[] = [];
  let refreshed = false;
  const verify = async (file: ListedFile): Promise<ListedFile> => {
    options.signal?.throwIfAborted();
    const path = join(layout.versionFiles(digest), file.path);
    const entry = await entryOf(path);
    const same = entry !== undefined && entry.size === file.size && isSame(entry.seen, file.seen);
    if (same && !options.thorough) return file;
    if (entry?.size !== file.size || (await fileDigest(path, options.signal)) !== file.digest) {
      damaged.push(file);
      return file;
    }
    refreshed ||= !same;
    return { ...file, seen: entry.seen };
  };
  const each = async (files: ListedFile[]) => {
    const verified: ListedFile[] = [];
    for (const file of files) verified.push(await verify(file));
    return verified;
  };
  const verified = { ...list, files: await each(list.files), compiled: await each(list.compiled) };
  return { list: verified, damaged, refreshed };
}

/** A file as it is listed, its bytes just verified. Throws where it is not there. */
export async function listFile(folder: string, path: string, digest: Digest): Promise<ListedFile> {
  const entry = await entryOf(join(folder, path));
  if (!entry) throw new Error(`${path} vanished from the cache while it was filled.`);
  return { path, size: entry.size, digest, seen: entry.seen };
}

async function entryOf(path: string): Promise<{ size: number; seen: ListedFile["seen"] } | undefined> {
  const entry = await stat(path, { bigint: true }).catch((error: unknown) => {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  });
  if (!entry?.isFile()) return undefined;
  const seen = {
    modified: String(entry.mtimeNs),
    changed: String(entry.ctimeNs),
    inode: String(entry.ino),
  };
  return { size: Number(entry.size), seen };
}

const isSame = (a: ListedFile["seen"], b: ListedFile["seen"]): boolean =>
  a.modified === b.modified && a.changed === b.changed && a.inode === b.inode;
