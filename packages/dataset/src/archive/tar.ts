import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ProblemError, problem } from "@modulehub/core";
import { extract } from "tar-stream";
import { readBytes } from "../bytes/read-bytes.ts";
import type { DataLimits, DataSource } from "../example.ts";
import { type ArchiveEntry, collect, entryPath, notAFile } from "./entry.ts";

/** Where a tar's first header says that it is one, and how (POSIX.1-2017, pax, "ustar Interchange Format"). */
export const isTar = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(257, 262)).toString("latin1") === "ustar";

/**
 * The files of a tar, perhaps in gzip, in their order. Throws `data-archive-unsafe` for links, devices and paths that
 * lead out of it, `data-corrupt` where it is damaged, `data-too-large` beyond the limits.
 */
export async function* readTar(source: DataSource, limits: DataLimits): AsyncGenerator<ArchiveEntry, void> {
  const tar = extract();
  const stop = new AbortController();
  let broken: unknown;
  const done = pipeline(Readable.from(readBytes(source, limits)), tar, { signal: stop.signal }).catch(
    (error: unknown) => {
      broken ??= error;
    },
  );
  let entries = 0;
  try {
    for await (const entry of tar) {
      entries += 1;
      if (entries > limits.entries)
        throw problem("data-too-large", `The archive has more than ${limits.entries} entries.`);
      const { name, type } = entry.header;
      const path = entryPath(name);
      if (type === "directory") {
        entry.resume();
        yield { kind: "folder", path };
        continue;
      }
      if (type !== "file" && type !== "contiguous-file")
        throw notAFile(
          path,
          type === "symlink" || type === "link" ? "a link" : "neither a file nor a folder",
        );
      let taken = false;
      yield {
        kind: "file",
        path,
        read: (most) => {
          taken = true;
          // streamx's types leave open what a stream of bytes gives.
          return collect(entry as AsyncIterable<Uint8Array>, most);
        },
      };
      // Nothing after it comes before it is read.
      if (!taken) entry.resume();
    }
  } catch (error) {
    throw damaged(broken ?? error);
  } finally {
    stop.abort();
    await done;
  }
}

/** What the parser says of bytes that are no tar; other errors as they are. */
function damaged(error: unknown): unknown {
  if (error instanceof ProblemError || !(error instanceof Error) || "code" in error) return error;
  return problem("data-corrupt", `The tar archive is damaged or cut off: ${error.message}`, { cause: error });
}
