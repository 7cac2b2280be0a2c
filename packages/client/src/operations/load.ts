import { availableParallelism } from "node:os";
import { formatHandle } from "@modulehub/core";
import { COMPILED_PREFIX } from "@modulehub/runtime/compile-task";
import { cachedVersion } from "../cache/cached-version.ts";
import { CacheLayout, defaultCacheFolder } from "../cache/layout.ts";
import type { Engine } from "../load/engine.ts";
import type { LoadEvent } from "../load/event.ts";
import { IsolatedEngine } from "../load/isolated-engine.ts";
import { LoadedModule } from "../load/loaded-module.ts";
import { newLocalEngine } from "../load/new-local-engine.ts";
import { paced } from "../tasks/paced.ts";
import type { Transport } from "../transport.ts";

export interface LoadOptions {
  /** Default: as many as the machine has processors. */
  threads?: number;
  /** Run the module in a process of its own, which may crash and can be stopped. Default false. */
  isolated?: boolean;
  /** Ask no hub: latest and aliases mean what they last meant. Default false. */
  offline?: boolean;
  /** Hash every file of the cache, not only those that were touched since they were verified. Default false. */
  thorough?: boolean;
  onProgress?: (event: LoadEvent) => void;
  signal?: AbortSignal;
}

/**
 * Loads a module to run on this machine: its files come from the cache, and what the cache lacks from the hub.
 * An exact version that is in the cache needs no hub. Throws as Hub says, `digest-mismatch` and `invalid-path` where
 * the hub can't be trusted, LocalFileError where the cache can't be used, and the codes of opening a module.
 */
export async function load(
  transport: Transport,
  handle: string,
  cacheFolder: string | undefined,
  options: LoadOptions = {},
): Promise<LoadedModule> {
  const { offline = false, thorough = false } = options;
  const engine: Engine = options.isolated ? new IsolatedEngine() : await newLocalEngine();
  const report = paced((event: LoadEvent) => options.onProgress?.(event));
  try {
    const cached = await cachedVersion({
      layout: new CacheLayout(cacheFolder ?? defaultCacheFolder()),
      transport,
      handle,
      offline,
      thorough,
      compile: (folder) => engine.compile(folder),
      compiledPrefix: COMPILED_PREFIX,
      onYanked: (handle, { reason, at }) => options.onProgress?.({ kind: "yanked", handle, reason, at }),
      onBytes: (path, receivedBytes, totalBytes) =>
        report({ kind: "receiving", path, receivedBytes, totalBytes }, receivedBytes === totalBytes),
      signal: options.signal ?? new AbortController().signal,
    });
    const { module, version, folder } = cached;
    const manifest = await engine.open(folder, options.threads ?? availableParallelism());
    const exact = formatHandle({ module, reference: { kind: "version", version } });
    return new LoadedModule(engine, { ...cached, handle: exact, manifest });
  } catch (error) {
    await engine.close();
    throw error;
  }
}
