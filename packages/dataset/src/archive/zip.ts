import { crc32 } from "node:zlib";
import { ProblemError, problem } from "@modulehub/core";
import { type Entry, getFileNameLowLevel, openPromise, type ZipFile } from "yauzl";
import { isZlibError } from "../bytes/read-bytes.ts";
import { UnpackedBudget } from "../bytes/unpacked-budget.ts";
import type { DataLimits, DataSource } from "../example.ts";
import { type ArchiveEntry, collect, entryPath, notAFile } from "./entry.ts";

/** Whether bytes begin as those of a zip with entries do, or of an empty one (APPNOTE.TXT, 4.3). */
export const isZip = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);

/** The kind of file in the mode that Unix's zip keeps in the upper half of the attributes. */
const KIND = 0o170000;
const REGULAR = 0o100000;
const FOLDER = 0o040000;

/** The files of a zip, in the order of its directory. Throws as `readTar` does. */
export async function* readZip(source: DataSource, limits: DataLimits): AsyncGenerator<ArchiveEntry, void> {
  let zip: ZipFile | undefined;
  try {
    // Names are decoded and checked here, in the same way as those of a tar.
    zip = await openPromise(source.file, { lazyEntries: true, decodeStrings: false, autoClose: false });
    if (zip.entryCount > limits.entries)
      throw problem("data-too-large", `The archive has more than ${limits.entries} entries.`);
    const opened = zip;
    const budget = new UnpackedBudget(limits);
    budget.packed(zip.fileSize);
    for await (const entry of zip.eachEntry()) {
      const { kind, path } = checkedEntry(entry);
      if (kind === "folder") yield { kind, path };
      else yield { kind, path, read: (most) => readEntry(opened, entry, { path, most, budget }) };
    }
  } catch (error) {
    throw damaged(error);
  } finally {
    zip?.close();
  }
}

/** The path of an entry that is a file or a folder, and nothing else. */
function checkedEntry(entry: Entry): Pick<ArchiveEntry, "kind" | "path"> {
  const flags = entry.generalPurposeBitFlag;
  const name = getFileNameLowLevel(flags, entry.fileNameRaw, entry.extraFields, false);
  const path = entryPath(name);
  const mode = (entry.externalFileAttributes >>> 16) & KIND;
  if (/[\\/]$/.test(name) || mode === FOLDER) return { kind: "folder", path };
  if (mode !== 0 && mode !== REGULAR) throw notAFile(path, "neither a file nor a folder");
  if (entry.isEncrypted()) throw problem("data-format", `The entry ${JSON.stringify(path)} is encrypted.`);
  if (!entry.canDecodeFileData())
    throw problem(
      "data-format",
      `The entry ${JSON.stringify(path)} is packed by method ${entry.compressionMethod}; pack it with deflate.`,
    );
  return { kind: "file", path };
}

async function readEntry(
  zip: ZipFile,
  entry: Entry,
  { path, most, budget }: { path: string; most: number; budget: UnpackedBudget },
): Promise<Buffer | undefined> {
  const count = async function* () {
    let sum = 0;
    for await (const chunk of await zip.openReadStreamPromise(entry)) {
      budget.unpacked(chunk.byteLength);
      sum = crc32(chunk, sum);
      yield chunk as Buffer;
    }
    if (sum !== entry.crc32)
      throw problem(
        "data-corrupt",
        `The entry ${JSON.stringify(path)} does not have the checksum that it should.`,
      );
  };
  try {
    // A header that says more than is taken is believed: nothing of it need be unpacked.
    return entry.uncompressedSize > most ? undefined : await collect(count(), most);
  } catch (error) {
    throw damaged(error);
  }
}

/** What the parser says of bytes that are no zip; other errors as they are. */
function damaged(error: unknown): unknown {
  if (error instanceof ProblemError || !(error instanceof Error)) return error;
  if ("code" in error && !isZlibError(error)) return error;
  return problem("data-corrupt", `The zip archive is damaged or cut off: ${error.message}`, { cause: error });
}
