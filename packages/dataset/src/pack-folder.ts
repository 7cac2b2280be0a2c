import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { MAX_IMAGE_BYTES, problem } from "@modulehub/core";
import { pack } from "tar-stream";
import { readFolder } from "./archive/folder.ts";
import type { DataLimits } from "./example.ts";
import { DATA_LIMITS } from "./limits.ts";

/** What every entry has, whoever packs it, when and where. */
const ALIKE = { mtime: new Date(0), uid: 0, gid: 0, uname: "", gname: "" };

/**
 * Writes a folder as a tar to a file: sorted, without hidden files, with nothing in it of this machine or of now, so
 * that the same files always have the same digest. Not compressed, since what gzip writes depends on its version.
 * `onBytes` is told of every file's length. Throws `data-archive-unsafe` for links and devices.
 */
export async function packFolder(
  folder: string,
  to: string,
  {
    limits = DATA_LIMITS,
    onBytes = () => {},
    signal,
  }: {
    limits?: DataLimits;
    onBytes?: (bytes: number) => void;
    signal?: AbortSignal;
  } = {},
): Promise<void> {
  const tar = pack();
  const written = pipeline(tar, createWriteStream(to, { flags: "wx" }), { signal });
  const fill = async () => {
    for await (const entry of readFolder(folder, limits)) {
      signal?.throwIfAborted();
      if (entry.kind === "folder") {
        await add({ name: `${entry.path}/`, type: "directory", mode: 0o755, ...ALIKE });
        continue;
      }
      const bytes = await entry.read(MAX_IMAGE_BYTES);
      if (!bytes) throw problem("data-too-large", `${entry.path} has more than ${MAX_IMAGE_BYTES} bytes.`);
      await add({ name: entry.path, type: "file", mode: 0o644, size: bytes.byteLength, ...ALIKE }, bytes);
      onBytes(bytes.byteLength);
    }
    tar.finalize();
  };
  const add = (header: Parameters<typeof tar.entry>[0], bytes: Uint8Array = new Uint8Array()) =>
    new Promise<void>((resolve, reject) => {
      tar.entry(header, bytes, (error) => (error ? reject(error) : resolve()));
    });
  try {
    await Promise.all([fill(), written]);
  } catch (error) {
    tar.destroy();
    await written.catch(() => undefined);
    throw error;
  }
}
