import { problem } from "@modulehub/core";

/** A folder that an archive names; most archives also hold files in folders that they don't name. */
export interface FolderEntry {
  kind: "folder";
  /** As below; empty for the root. */
  path: string;
}

/** A file of an archive or folder, in its order. */
export interface FileEntry {
  kind: "file";
  /** From the root, with slashes, without `.` segments. */
  path: string;
  /**
   * Its bytes. May be called once, before the next entry is asked for. Undefined for more than `most` bytes, which are
   * not kept.
   */
  read(most: number): Promise<Buffer | undefined>;
}

export type ArchiveEntry = FolderEntry | FileEntry;

/** How deep folders may lie in each other. */
const MAX_DEPTH = 32;
const MAX_PATH_CHARACTERS = 4096;

/**
 * The path of an entry, cleaned of `.` and doubled slashes. Throws `data-archive-unsafe` for one that leads out of the
 * archive: nothing is ever unpacked to disk, but an archive with such an entry was not made for good.
 */
export function entryPath(name: string): string {
  const shown = name.slice(0, 200);
  const refuse = (what: string) =>
    problem(
      "data-archive-unsafe",
      `The entry ${JSON.stringify(shown)} ${what}. Pack the archive again without it.`,
    );
  const path = name.replaceAll("\\", "/");
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) throw refuse("has an absolute path");
  if (path.includes("\0")) throw refuse("has a NUL in its path");
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) throw refuse("leads out of the archive");
  if (segments.length > MAX_DEPTH || path.length > MAX_PATH_CHARACTERS) throw refuse("is nested too deeply");
  return segments.join("/");
}

/** What an entry that is neither a file nor a folder is refused with. */
export const notAFile = (path: string, what: string) =>
  problem(
    "data-archive-unsafe",
    `The entry ${JSON.stringify(path.slice(0, 200))} is ${what}. Put the file itself in its place.`,
  );

/** Collects chunks up to so many bytes; reads on to the end, so that what follows can be read. */
export async function collect(chunks: AsyncIterable<Uint8Array>, most: number): Promise<Buffer | undefined> {
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes <= most) kept.push(chunk);
    else kept.length = 0;
  }
  return bytes <= most ? Buffer.concat(kept, bytes) : undefined;
}
