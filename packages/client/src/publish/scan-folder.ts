import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { isSafeFilePath } from "@modulehub/core";
import { LocalFileError } from "../connection-error.ts";
import type { SourceFile } from "./source-file.ts";

/** Left behind by systems and editors; what begins with a dot is left out anyway. */
const LEFT_OUT = new Set(["__MACOSX", "__pycache__", "node_modules", "Thumbs.db", "desktop.ini"]);

/**
 * The regular files below a folder, by path from it, sorted. Hidden files and folders stay out. A symbolic
 * link, a device or a name that not every system can hold is refused: publishing would silently leave
 * something out, or take something from elsewhere along.
 */
export async function scanFolder(folder: string): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  const walk = async (inside: string): Promise<void> => {
    for (const name of (await readdir(join(folder, inside))).sort()) {
      if (name.startsWith(".") || LEFT_OUT.has(name)) continue;
      const path = inside === "" ? name : `${inside}/${name}`;
      const file = join(folder, path);
      const entry = await lstat(file);
      if (entry.isSymbolicLink())
        throw new LocalFileError(`${file} is a symbolic link. Put the file itself there and publish again.`);
      if (entry.isDirectory()) await walk(path);
      else if (!entry.isFile())
        throw new LocalFileError(`${file} is neither a file nor a folder. Take it out and publish again.`);
      else if (!isSafeFilePath(path))
        throw new LocalFileError(`${file} has a name that not every system can hold. Rename it.`);
      else files.push({ path, size: entry.size, content: { file } });
    }
  };
  await walk("");
  return files;
}
