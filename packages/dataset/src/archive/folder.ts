import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { problem } from "@modulehub/core";
import type { DataLimits } from "../example.ts";
import { type ArchiveEntry, collect, entryPath, notAFile } from "./entry.ts";
import { isLeftOut } from "./left-out.ts";

/**
 * The files below a folder on this machine, sorted by the bytes of their paths, as they would lie in the archive that
 * `packFolder` makes of it. Throws `data-archive-unsafe` for links and devices.
 */
export async function* readFolder(folder: string, limits: DataLimits): AsyncGenerator<ArchiveEntry, void> {
  let entries = 0;
  const walk = async function* (inside: string): AsyncGenerator<ArchiveEntry, void> {
    const found = await readdir(join(folder, inside), { withFileTypes: true });
    entries += found.length;
    if (entries > limits.entries)
      throw problem("data-too-large", `The folder has more than ${limits.entries} files.`);
    // A folder sorts as its path with a slash, so that the order is that of whole paths.
    const named = found.map((entry) => ({
      entry,
      key: Buffer.from(entry.name + (entry.isDirectory() ? "/" : "")),
    }));
    for (const { entry } of named.sort((a, b) => Buffer.compare(a.key, b.key))) {
      const path = entryPath(inside === "" ? entry.name : `${inside}/${entry.name}`);
      if (isLeftOut(path)) continue;
      if (entry.isDirectory()) {
        yield { kind: "folder", path };
        yield* walk(path);
      } else if (!entry.isFile())
        throw notAFile(path, entry.isSymbolicLink() ? "a link" : "neither a file nor a folder");
      else {
        const file = join(folder, path);
        yield { kind: "file", path, read: (most) => collect(createReadStream(file), most) };
      }
    }
  };
  yield* walk("");
}
