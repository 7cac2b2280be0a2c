import { mkdir, readdir, readFile, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseManifest } from "@modulehub/core";
import { checkedFiles, checkVersionDigest, type RemoteFile, UNFINISHED } from "../download/checked-files.ts";
import type { DownloadEvent } from "../download/event.ts";
import { fetchFile } from "../download/fetch-file.ts";
import { hasContent } from "../download/file-digest.ts";
import { withFileLock } from "../download/file-lock.ts";
import { writeFault } from "../download/write-fault.ts";
import { isSystemError } from "../system-error.ts";
import { eventsOf } from "../tasks/event-channel.ts";
import { paced } from "../tasks/paced.ts";
import { runAll } from "../tasks/run-all.ts";
import type { Transport } from "../transport.ts";
import { resolve } from "./resolve.ts";

export interface DownloadOptions {
  /** The folder that gets the module's files; made where there is none. Other files in it are left alone. */
  to: string;
  signal?: AbortSignal;
}

/** Files on their way at once. */
export const FILES_AT_ONCE = 4;

/**
 * Downloads a version, its documentation included, into a folder. Files appear under their names whole and
 * verified or not at all; those that are there already are not fetched again, and what was interrupted is
 * continued by the next download. Stopping to read the events stops it. Throws as Hub says, `invalid-path`,
 * `size-mismatch` and `digest-mismatch` where the hub can't be trusted, and LocalFileError where the folder can't
 * be written.
 */
export async function* download(
  transport: Transport,
  handle: string,
  options: DownloadOptions,
): AsyncGenerator<DownloadEvent, void> {
  yield* eventsOf<DownloadEvent>(options.signal, async (push, signal) => {
    try {
      await fillFolder({ transport, handle, folder: options.to, push, signal });
    } catch (error) {
      throw writeFault(error, options.to);
    }
  });
}

interface DownloadJob {
  transport: Transport;
  handle: string;
  folder: string;
  push: (event: DownloadEvent) => void;
  signal: AbortSignal;
}

async function fillFolder(job: DownloadJob): Promise<void> {
  const { transport, folder, push, signal } = job;
  const resolved = await resolve(transport, job.handle, { signal });
  const { handle, version, digest } = resolved;
  const files = checkedFiles(resolved);
  const numbers = new Map(files.map((file, index) => [file, index]));
  const unfinished = join(folder, UNFINISHED);
  const work = async () => {
    const missing = new Set<RemoteFile>();
    for (const file of files)
      if (!(await hasContent(join(folder, file.path), file.size, file.digest, signal))) missing.add(file);
    const totalBytes = sizeOf(files);
    const missingBytes = sizeOf([...missing]);
    push({
      kind: "resolved",
      handle,
      version,
      digest,
      files: files.length,
      totalBytes,
      missingBytes,
      ...(resolved.yanked && { yanked: resolved.yanked }),
    });

    let receivedBytes = totalBytes - missingBytes;
    const report = paced(push);
    const bring = async (file: RemoteFile, signal: AbortSignal) => {
      let before = 0;
      const onBytes = (bytes: number) => {
        receivedBytes += bytes - before;
        before = bytes;
        report(
          { kind: "receiving", path: file.path, receivedBytes, totalBytes },
          receivedBytes === totalBytes,
        );
      };
      // The number keeps two files of the same content apart.
      const partial = join(unfinished, `${file.digest.slice("sha256:".length)}.${numbers.get(file)}`);
      await fetchFile({ ...file, transport, partial, onBytes, signal });
      await mkdir(dirname(join(folder, file.path)), { recursive: true });
      await rename(partial, join(folder, file.path));
    };
    // The manifest decides what is content; so it comes first, and the list is checked before the rest is fetched.
    const [manifest, ...others] = files;
    if (manifest && missing.has(manifest)) await bring(manifest, signal);
    checkVersionDigest(files, parseManifest(await readFile(join(folder, "module.json"))), resolved);
    await runAll(
      others.filter((file) => missing.has(file)),
      FILES_AT_ONCE,
      signal,
      bring,
    );
    for (const name of await readdir(unfinished))
      if (!name.startsWith(LOCK)) await rm(join(unfinished, name), { force: true });
  };
  await withFileLock(join(unfinished, LOCK), work, { signal });
  await rmdir(unfinished).catch((error: unknown) => {
    // Another process is filling the same folder.
    if (!isSystemError(error, "ENOTEMPTY", "EEXIST", "ENOENT")) throw error;
  });
  push({ kind: "downloaded", handle, version, digest, folder });
}

const LOCK = "lock";
const sizeOf = (files: readonly { size: number }[]): number => files.reduce((sum, { size }) => sum + size, 0);
