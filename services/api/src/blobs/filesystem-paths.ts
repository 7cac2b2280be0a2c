import { join } from "node:path";

/**
 * Everything that the filesystem store keeps, and the only place where its paths are made.
 *
 *     <root>/
 *       blobs/
 *         <first two characters of the key>/
 *           <storage key>              bytes of a blob, complete, read-only
 *       uploads/
 *         <upload id>/
 *           <number>                   a part that was received whole
 *           <number>.<random>          a part on its way in
 *           whole.<storage key>        the parts joined, on their way to blobs/
 *
 * Ids and keys are made by the hub; a name that could leave the folder is a bug and throws.
 */
export interface FilesystemPaths {
  blobs: string;
  uploads: string;
  blob(key: string): string;
  upload(id: string): string;
  part(upload: string, number: number): string;
  partOnItsWay(upload: string, number: number, random: string): string;
  whole(upload: string, key: string): string;
}

export function filesystemPaths(root: string): FilesystemPaths {
  const blobs = join(root, "blobs");
  const uploads = join(root, "uploads");
  const upload = (id: string) => join(uploads, safe(id));
  return {
    blobs,
    uploads,
    upload,
    blob: (key) => join(blobs, safe(key).slice(0, 2), key),
    part: (id, number) => join(upload(id), String(number)),
    partOnItsWay: (id, number, random) => join(upload(id), `${number}.${safe(random)}`),
    whole: (id, key) => join(upload(id), `whole.${safe(key)}`),
  };
}

/** Whether the hub may have made this name. Others put things into folders too: file managers, mounts. */
export const isStoredName = (name: string): boolean => /^[\w-]{4,64}$/.test(name);

/** Whether a name is that of a folder in `blobs`. */
export const isBlobFolder = (name: string): boolean => /^[\w-]{2}$/.test(name);

function safe(name: string): string {
  if (!isStoredName(name)) throw new TypeError("not a name that the hub makes");
  return name;
}
