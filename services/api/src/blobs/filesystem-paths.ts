import { join } from "node:path";
import { storageKey } from "./storage-key.ts";

/**
 * Everything that the filesystem store keeps, and the only place where its paths are made.
 *
 *     <root>/
 *       blobs/
 *         <first two characters of the key>/
 *           <storage key>              bytes of a blob, complete, read-only
 *       uploads/
 *         <storage key>/
 *           <number>                   a part that was received whole
 *           <number>.<random>          a part on its way in
 *           whole.<random>             the parts joined, on their way to blobs/
 *
 * Keys are made by the hub; a name that could leave the folder is a bug and throws.
 */
export interface FilesystemPaths {
  blobs: string;
  uploads: string;
  blob(key: string): string;
  upload(key: string): string;
  part(key: string, number: number): string;
  partOnItsWay(key: string, number: number, random: string): string;
  whole(key: string, random: string): string;
}

export function filesystemPaths(root: string): FilesystemPaths {
  const blobs = join(root, "blobs");
  const uploads = join(root, "uploads");
  const upload = (key: string) => join(uploads, storageKey(key));
  return {
    blobs,
    uploads,
    upload,
    blob: (key) => join(blobs, storageKey(key).slice(0, 2), key),
    part: (key, number) => join(upload(key), String(number)),
    partOnItsWay: (key, number, random) => join(upload(key), `${number}.${storageKey(random)}`),
    whole: (key, random) => join(upload(key), `whole.${storageKey(random)}`),
  };
}

/** Whether a name is that of a folder in `blobs`. */
export const isBlobFolder = (name: string): boolean => /^[\w-]{2}$/.test(name);
