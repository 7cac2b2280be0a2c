import { randomUUID } from "node:crypto";
import { copyFile, link, mkdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { type Digest, isDocumentation, manifestPaths, parseManifest } from "@modulehub/core";
import { checkedFiles, checkVersionDigest, type RemoteFile } from "../download/checked-files.ts";
import { fetchFile } from "../download/fetch-file.ts";
import { fileDigest, hasContent } from "../download/file-digest.ts";
import { withFileLock } from "../download/file-lock.ts";
import type { Resolved } from "../operations/resolve.ts";
import { isSystemError } from "../system-error.ts";
import { runAll } from "../tasks/run-all.ts";
import type { Transport } from "../transport.ts";
import type { CacheLayout } from "./layout.ts";
import {
  type ListedFile,
  listFile,
  readVersionList,
  type VersionList,
  verifyVersion,
} from "./version-list.ts";
import { writeJson } from "./write-whole.ts";

/** Makes the graphs that sessions load from a version's files, beside them; answers their paths. */
export type CompileFolder = (folder: string) => Promise<string[]>;

export interface FillJob {
  layout: CacheLayout;
  transport: Transport;
  resolved: Resolved;
  /** Hash every file that is there, not only those that were touched. */
  thorough: boolean;
  compile: CompileFolder;
  /** Names of files that `compile` makes begin so; a publisher's file under such a name is left out. */
  compiledPrefix: string;
  /** How much of what has to be fetched has arrived. */
  onBytes(path: string, receivedBytes: number, totalBytes: number): void;
  signal: AbortSignal;
}

const FILES_AT_ONCE = 4;

/**
 * Makes a version whole in the cache: fetches the blobs that are missing or damaged, links them under their
 * names, compiles, and writes the list. One process at a time does so; who waited finds the work done. Throws
 * as `download` does.
 */
export async function fillVersion(job: FillJob): Promise<VersionList> {
  const { layout, resolved, signal } = job;
  const { digest } = resolved;
  const files = checkedFiles(resolved);
  const work = async () => {
    const found = await readVersionList(layout, digest);
    if (found) {
      const { list, damaged } = await verifyVersion(layout, digest, found, {
        thorough: job.thorough,
        signal,
      });
      if (damaged.length === 0) return list;
    }
    await bringBlobs(job, files.slice(0, 1));
    const manifest = parseManifest(await readFile(layout.blob(files[0]!.digest)));
    checkVersionDigest(files, manifest, resolved);
    const used = manifestPaths(manifest);
    const content = files.filter(
      ({ path }) => !isDocumentation(path, used) && !basename(path).startsWith(job.compiledPrefix),
    );
    await bringBlobs(job, content);
    const folder = layout.versionFiles(digest);
    for (const file of content) await placeBlob(layout.blob(file.digest), join(folder, file.path));
    const compiled: { path: string; digest: Digest }[] = [];
    for (const path of await job.compile(folder)) {
      const made = await fileDigest(path, signal);
      if (made) compiled.push({ path: relative(folder, path).split(sep).join("/"), digest: made });
    }
    // Last, since linking one blob twice changes the entry that is remembered.
    const listed = async (wanted: readonly { path: string; digest: Digest }[]) => {
      const all: ListedFile[] = [];
      for (const { path, digest } of wanted) all.push(await listFile(folder, path, digest));
      return all;
    };
    const list: VersionList = {
      schemaVersion: 1,
      files: await listed(content),
      compiled: await listed(compiled),
    };
    await writeJson(layout.versionList(digest), list);
    return list;
  };
  return withFileLock(layout.lock("version", digest), work, { signal });
}

/** Sees to it that the blobs are there and sound, equal ones fetched once. */
async function bringBlobs(job: FillJob, files: readonly RemoteFile[]): Promise<void> {
  const { layout, transport } = job;
  const wanted = [...new Map(files.map((file) => [file.digest, file])).values()];
  const totalBytes = wanted.reduce((sum, { size }) => sum + size, 0);
  let receivedBytes = 0;
  await runAll(wanted, FILES_AT_ONCE, job.signal, async (file, signal) => {
    let before = 0;
    const onBytes = (bytes: number) => {
      receivedBytes += bytes - before;
      before = bytes;
      job.onBytes(file.path, receivedBytes, totalBytes);
    };
    const blob = layout.blob(file.digest);
    const bring = async () => {
      if (!(await hasContent(blob, file.size, file.digest, signal))) {
        const partial = layout.partial(file.digest);
        await fetchFile({ ...file, transport, partial, onBytes, signal });
        await mkdir(dirname(blob), { recursive: true });
        await rename(partial, blob);
      }
      onBytes(file.size);
    };
    await withFileLock(layout.lock("blob", file.digest), bring, { signal });
  });
}

/** Puts a blob under a file's name: a hard link, or a copy where the file system has none. */
async function placeBlob(blob: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  try {
    await link(blob, path);
  } catch (error) {
    if (!isSystemError(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EXDEV", "EMLINK")) throw error;
    const unfinished = `${path}.${randomUUID()}`;
    await copyFile(blob, unfinished);
    await rename(unfinished, path);
  }
}
