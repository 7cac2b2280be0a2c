import { createHash, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { digestOfHex, ProblemError, problem } from "@modulehub/core";
import { makeFolder, syncFolder } from "../durable-folder.ts";
import type { BlobStore, StoredName, StoredNames } from "./blob-store.ts";
import { FilePieces } from "./file-pieces.ts";
import { filesystemPaths, isBlobFolder, isStoredName } from "./filesystem-paths.ts";

/** Bytes moved at once when parts are joined: what an assembly costs in memory. */
const CHUNK = 1_048_576;

/** Uploads of one page of a list. */
const PAGE = 1_000;

/** A blob store in a folder, which is created. Paths: filesystem-paths.ts. */
export async function openFilesystemStore(root: string): Promise<BlobStore> {
  const paths = filesystemPaths(root);
  await makeFolder(paths.blobs);
  await makeFolder(paths.uploads);

  return {
    writePart: (upload, number, body, size) =>
      storing(async () => {
        await makeFolder(paths.upload(upload));
        const onItsWay = paths.partOnItsWay(upload, number, randomUUID());
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
        await rename(onItsWay, paths.part(upload, number));
        await syncFolder(paths.upload(upload));
      }),

    assemble: (upload, parts, key) =>
      storing(async () => {
        await makeFolder(paths.upload(upload));
        const whole = paths.whole(upload, key);
        const hash = createHash("sha256");
        let size = 0;
        await writeWhole(whole, async (file) => {
          const buffer = Buffer.allocUnsafe(CHUNK);
          for (const number of parts) {
            await using part = await openExisting(
              paths.part(upload, number),
              problem("upload-incomplete", `Part ${number} is missing; send it again.`),
            );
            for (;;) {
              const { bytesRead } = await part.read(buffer, 0, CHUNK, null);
              if (bytesRead === 0) break;
              const bytes = buffer.subarray(0, bytesRead);
              hash.update(bytes);
              await writeAll(file, bytes);
              size += bytesRead;
            }
          }
        });
        const blob = paths.blob(key);
        await makeFolder(dirname(blob));
        await rename(whole, blob);
        await syncFolder(dirname(blob));
        return { size, digest: digestOfHex(hash.digest("hex")) };
      }),

    discardUpload: (upload) =>
      storing(() => rm(paths.upload(upload), { recursive: true, force: true, maxRetries: 3 })),

    read: (key, size, range) =>
      storing(async () => {
        const lost = problem("store-unavailable", "The blob store has lost bytes of this; restore them.");
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

/** A page is one of the folders that the keys' first two characters make. */
async function listBlobs(blobs: string, cursor = ""): Promise<StoredNames> {
  const folders = (await readdir(blobs)).filter(isBlobFolder);
  const [folder, next] = folders.filter((name) => name >= cursor).sort();
  if (folder === undefined) return { items: [] };
  const names = (await readdir(join(blobs, folder))).filter(isStoredName);
  const items = await namesIn(join(blobs, folder), names);
  return { items, ...(next !== undefined && { next }) };
}

async function listFolder(folder: string, cursor = ""): Promise<StoredNames> {
  const names = (await readdir(folder)).filter((name) => isStoredName(name) && name >= cursor).sort();
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
    const detail = error.code === "ENOSPC" ? "The blob store is full; make room, then try again." : undefined;
    throw problem("store-unavailable", detail, { retryAfter: 5, cause: error });
  }
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && "errno" in error && "code" in error;
