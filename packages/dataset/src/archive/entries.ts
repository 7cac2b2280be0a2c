import { stat } from "node:fs/promises";
import { problem } from "@modulehub/core";
import { firstBytes, isGzip, readBytes } from "../bytes/read-bytes.ts";
import type { DataLimits, DataSource } from "../example.ts";
import type { ArchiveEntry } from "./entry.ts";
import { readFolder } from "./folder.ts";
import { isLeftOut } from "./left-out.ts";
import { isTar, readTar } from "./tar.ts";
import { isZip, readZip } from "./zip.ts";

/** What a tar's first block and the first bytes of all other forms fit into. */
const HEAD = 512;

/** Whether a file is a tar (in gzip, or not) or a zip. */
export async function isArchive(source: DataSource, limits: DataLimits): Promise<boolean> {
  const head = await firstBytes(source, limits, HEAD);
  return isZip(head) || isTar(isGzip(head) ? await unpackedHead(source, limits) : head);
}

/**
 * The files of a folder or archive in their order, without those that systems leave behind. Throws `data-format` for a
 * file that is no archive, and the codes of `readTar`.
 */
export async function* readEntries(
  source: DataSource,
  limits: DataLimits,
): AsyncGenerator<ArchiveEntry, void> {
  for await (const entry of await opened(source, limits)) if (!isLeftOut(entry.path)) yield entry;
}

async function opened(source: DataSource, limits: DataLimits): Promise<AsyncGenerator<ArchiveEntry, void>> {
  if ((await stat(source.file)).isDirectory()) return readFolder(source.file, limits);
  const head = await firstBytes(source, limits, HEAD);
  if (isZip(head)) return readZip(source, limits);
  if (isTar(isGzip(head) ? await unpackedHead(source, limits) : head)) return readTar(source, limits);
  throw problem("data-format", "The file is neither a tar, in gzip or not, nor a zip.");
}

async function unpackedHead(source: DataSource, limits: DataLimits): Promise<Buffer> {
  for await (const chunk of readBytes(source, limits)) return chunk.subarray(0, HEAD);
  return Buffer.alloc(0);
}
