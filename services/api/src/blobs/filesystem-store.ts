import { createHash, randomUUID } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { access, type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Digest, digestOfHex, ProblemError, problem } from "@modulehub/core";
import { makeFolder, syncFolder } from "../durable-folder.ts";
import type { BlobStore, Part, PartsByHub, StoredName, StoredNames } from "./blob-store.ts";
import { FilePieces } from "./file-pieces.ts";
import { filesystemPaths, isBlobFolder } from "./filesystem-paths.ts";
import { AGAIN, STORE_FULL } from "./full-store.ts";
import { isStorageKey } from "./storage-key.ts";

/** Bytes moved at once when parts are joined: what an assembly costs in memory. */
const CHUNK = 1_048_576;

/** Uploads of one page of a list. */
const PAGE = 1_000;

/** A blob store in a folder, which is created. Paths: filesystem-paths.ts. */
export async function openFilesystemStore(root: string): Promise<BlobStore> {
  const paths = filesystemPaths(root);
  await makeFolder(paths.blobs);
  await makeFolder(paths.uploads);

  const write: PartsByHub["write"] = ({ key }, { number, size }, body) =>
    storing(async () => {
      await mkdir(paths.upload(key), { recursive: true, mode: 0o700 });
      const onItsWay = paths.partOnItsWay(key, number, randomUUID());
      await writeWhole(onItsWay, async (file) => {
        let received = 0;
        // Without destroying the request on an early end: the client is still owed its answer.
        for await (const chunk of body.iterator({ destroyOnReturn: false })) {
          received += (chunk as Buffer).byteLength;
          if (received > size) break;
          await writeAll(file, chunk as Buffer);
        }
        if (received !== size)
          throw problem(
            "size-mismatch",
            `Part ${number} must have ${size} bytes; ${received > size ? "more" : received} came.`,
          );
      });
      await rename(onItsWay, paths.part(key, number));
      await syncFolder(paths.upload(key));
      // Also where another request made the folder, which may not have come this far.
      await syncFolder(paths.uploads);
    });

  return {
    parts: { way: "hub", write },
    leastPartSize: 1,

    received: ({ key }, parts) =>
      storing(async () => {
        const there = new Set(await readdirIfThere(paths.upload(key)));
        return parts.map(({ number }) => number).filter((number) => there.has(String(number)));
      }),

    assemble: ({ key }, parts) =>
      storing(async () => {
        await mkdir(paths.upload(key), { recursive: true, mode: 0o700 });
        const whole = paths.whole(key, randomUUID());
        const digest = await joinParts(
          whole,
          parts.map(({ number, size }) => ({ path: paths.part(key, number), number, size })),
        );
        const blob = paths.blob(key);
        await mkdir(dirname(blob), { recursive: true, mode: 0o700 });
        const isFirst = await linkUnlessThere(whole, blob);
        await syncFolder(dirname(blob));
        await syncFolder(paths.blobs);
        await rm(whole);
        // Bytes that somebody may rely on already stay what they are.
        return isFirst ? digest : digestOfFile(blob);
      }),

    discardUpload: (key) =>
      storing(() => rm(paths.upload(key), { recursive: true, force: true, maxRetries: 3 })),

    read: (key, size, range) =>
      storing(async () => {
        const lost = problem(
          "store-unavailable",
          `The blob store has lost the bytes of ${key}; restore them.`,
        );
        const file = await openExisting(paths.blob(key), lost);
        // Fewer bytes than the headers say would leave the client waiting, and the connection out of step.
        if ((await file.stat()).size !== size) {
          await file.close();
          throw lost;
        }
        return new FilePieces(file, range ?? { start: 0, end: size - 1 }, lost);
      }),

    delete: (key) => storing(() => rm(paths.blob(key), { force: true })),

    list: (what, cursor) =>
      storing(() => (what === "blobs" ? listBlobs(paths.blobs, cursor) : listFolder(paths.uploads, cursor))),

    check: () =>
      storing(async () => {
        const mode = constants.R_OK | constants.W_OK | constants.X_OK;
        await access(paths.blobs, mode);
        await access(paths.uploads, mode);
      }),
  };
}

/** Joins parts into one file, and tells its digest. */
async function joinParts(whole: string, parts: readonly (Part & { path: string })[]): Promise<Digest> {
  const hash = createHash("sha256");
  await writeWhole(whole, async (file) => {
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (const { path, number, size } of parts) {
      const missing = problem("upload-incomplete", `Part ${number} is missing; send it again.`);
      await using part = await openExisting(path, missing);
      if ((await part.stat()).size !== size) throw missing;
      for (;;) {
        const { bytesRead } = await part.read(buffer, 0, CHUNK, null);
        if (bytesRead === 0) break;
        const bytes = buffer.subarray(0, bytesRead);
        hash.update(bytes);
        await writeAll(file, bytes);
      }
    }
  });
  return digestOfHex(hash.digest("hex"));
}

async function digestOfFile(path: string): Promise<Digest> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) hash.update(chunk as Buffer);
  return digestOfHex(hash.digest("hex"));
}

/** Gives a file a second name, and tells whether it did: a file that has that name already keeps it. */
async function linkUnlessThere(path: string, name: string): Promise<boolean> {
  try {
    await link(path, name);
    return true;
  } catch (error) {
    if (isSystemError(error) && error.code === "EEXIST") return false;
    throw error;
  }
}

async function readdirIfThere(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isSystemError(error) && error.code === "ENOENT") return [];
    throw error;
  }
}

/** A page is one of the folders that the keys' first two characters make. */
async function listBlobs(blobs: string, cursor = ""): Promise<StoredNames> {
  const folders = (await readdir(blobs)).filter(isBlobFolder);
  const [folder, next] = folders.filter((name) => name >= cursor).sort();
  if (folder === undefined) return { items: [] };
  const names = (await readdir(join(blobs, folder))).filter(isStorageKey);
  const items = await namesIn(join(blobs, folder), names);
  return { items, ...(next !== undefined && { next }) };
}

async function listFolder(folder: string, cursor = ""): Promise<StoredNames> {
  const names = (await readdir(folder)).filter((name) => isStorageKey(name) && name >= cursor).sort();
  const next = names[PAGE];
  return { items: await namesIn(folder, names.slice(0, PAGE)), ...(next !== undefined && { next }) };
}

/** Those that are still there. */
async function namesIn(folder: string, names: string[]): Promise<StoredName[]> {
  const items: StoredName[] = [];
  for (const name of names) {
    const found = await stat(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (found !== undefined) items.push({ name, writtenAt: found.mtime });
  }
  return items;
}

/** Opens a file to be read; one that isn't there is that problem, any other failure the file system's. */
const openExisting = (path: string, missing: ProblemError): Promise<FileHandle> =>
  open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw error.code === "ENOENT" ? missing : error;
  });

/** Makes a file that is complete and durable, or isn't there. */
async function writeWhole(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await write(file);
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
  await file.close();
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength; )
    offset += (await file.write(bytes, offset, bytes.byteLength - offset)).bytesWritten;
}

/** Errors of the file system as the store's; those of a request that broke off stay what they are. */
async function storing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ProblemError || !isSystemError(error) || error.code === "ECONNRESET") throw error;
    const detail = error.code === "ENOSPC" ? STORE_FULL : undefined;
    throw problem("store-unavailable", detail, { retryAfter: AGAIN, cause: error });
  }
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && "errno" in error && "code" in error;
