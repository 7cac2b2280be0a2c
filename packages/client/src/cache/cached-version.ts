import { mkdir } from "node:fs/promises";
import { type Digest, formatHandle, type ModuleName, parseHandle, parseModuleName } from "@modulehub/core";
import { LocalFileError } from "../connection-error.ts";
import { writeFault } from "../download/write-fault.ts";
import { resolve } from "../operations/resolve.ts";
import type { Transport } from "../transport.ts";
import { type CompileFolder, fillVersion } from "./fill-version.ts";
import type { CacheLayout } from "./layout.ts";
import { type Reference, recall, remember } from "./reference.ts";
import { readVersionList, verifyVersion } from "./version-list.ts";
import { ifWritable, writeJson } from "./write-whole.ts";

export interface CacheRequest {
  layout: CacheLayout;
  transport: Transport;
  handle: string;
  /** Ask no hub: what a handle was last seen to mean, from the cache, or not at all. */
  offline: boolean;
  /** Hash every file, not only those that were touched. */
  thorough: boolean;
  compile: CompileFolder;
  compiledPrefix: string;
  onYanked(handle: string, yanked: { reason: string; at: string }): void;
  onBytes(path: string, receivedBytes: number, totalBytes: number): void;
  signal: AbortSignal;
}

/** A version whose files lie verified in a folder. */
export interface CachedVersion {
  module: ModuleName;
  version: number;
  digest: Digest;
  /** Read-only for its users. */
  folder: string;
}

/**
 * A version from the cache, fetched where it is not there or damaged. An exact version that is whole asks no
 * hub. Throws as `download` does, and LocalFileError where the cache lacks what may not be fetched, or can't be
 * written.
 */
export async function cachedVersion(request: CacheRequest): Promise<CachedVersion> {
  const { layout, transport, offline, signal } = request;
  const parsed = parseHandle(request.handle);
  const handle = formatHandle(parsed);
  const isExact = parsed.reference.kind === "version" || parsed.reference.kind === "digest";
  try {
    const known = isExact || offline ? await recall(layout, transport.url, handle) : undefined;
    if (known && (await isWhole(request, known))) return found(layout, known);
    if (offline)
      throw new LocalFileError(
        `${handle} of ${transport.url} is ${known ? "damaged" : "not"} in the cache ${layout.folder}. Load it once without "offline".`,
      );
    // The owner's alone: a private module's files may lie in it. Who wants to share it opens the folder.
    await ifWritable(async () => void (await mkdir(layout.folder, { recursive: true, mode: 0o700 })));
    const resolved = await resolve(transport, handle, { signal });
    if (resolved.yanked) request.onYanked(resolved.handle, resolved.yanked);
    const reference = { ...resolved, module: parseModuleName(resolved.module) };
    if (!(await isWhole(request, reference))) await fillVersion({ ...request, resolved });
    await ifWritable(() => remember(layout, transport.url, handle, reference));
    return found(layout, reference);
  } catch (error) {
    throw writeFault(error, `the cache folder ${layout.folder}`);
  }
}

const found = (layout: CacheLayout, { module, version, digest }: Reference): CachedVersion => ({
  module,
  version,
  digest,
  folder: layout.versionFiles(digest),
});

/** Whether a version is in the cache with nothing missing and nothing damaged. */
async function isWhole({ layout, thorough, signal }: CacheRequest, { digest }: Reference): Promise<boolean> {
  const known = await readVersionList(layout, digest);
  if (!known) return false;
  const { list, damaged, refreshed } = await verifyVersion(layout, digest, known, { thorough, signal });
  if (damaged.length > 0) return false;
  if (refreshed) await ifWritable(() => writeJson(layout.versionList(digest), list));
  return true;
}
