import { mkdir, open, readdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/** Makes the names in a folder durable: that files were made, renamed or deleted there outlasts a power cut. */
export async function syncFolder(path: string): Promise<void> {
  // Windows can't open folders, and needs no such thing.
  if (process.platform === "win32") return;
  await syncFile(path);
}

/** Makes a folder with what leads to it, and makes it durable that it is there. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  const end = dirname(first);
  for (let made = resolve(path); made !== end; made = dirname(made)) await syncFolder(dirname(made));
}

/**
 * Makes durable that a folder is there, whoever made it and what leads to it. Folders above that this user may not
 * read were not made by it.
 */
export async function syncFolderPath(path: string): Promise<void> {
  for (let each = resolve(path); ; each = dirname(each)) {
    try {
      await syncFolder(each);
    } catch (error) {
      if (
        !(
          error instanceof Error &&
          "code" in error &&
          /^(EACCES|EPERM|EROFS|EINVAL)$/.test(String(error.code))
        )
      )
        throw error;
    }
    if (each === dirname(each)) return;
  }
}

/** Makes a folder durable with all that is in it: files first, then the names they have. */
export async function syncTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) await syncTree(inside);
    else if (entry.isFile()) await syncFile(inside);
  }
  await syncFolder(path);
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, process.platform === "win32" ? "r+" : "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
