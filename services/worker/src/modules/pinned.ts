import type { Digest } from "@modulehub/core";
import type { EnginePool } from "../engines/pool.ts";
import type { ModuleCache, ModuleLease } from "./module-cache.ts";
import type { ModuleSource } from "./source.ts";

export interface PinningDeps {
  source: ModuleSource;
  modules: ModuleCache;
  pool: EnginePool;
  /** How often it is asked what the handles stand for, in milliseconds. */
  everyMs: number;
  /** A handle's version couldn't be found or loaded; it is tried again. */
  onFailure: (handle: string, error: unknown) => void;
}

/**
 * Loads the versions that handles stand for and keeps them, on disk and in memory. When a handle comes to stand for
 * another version that one is loaded first, then the old one let go. Returns what ends it.
 */
export function keepPinned(handles: readonly string[], deps: PinningDeps): () => void {
  if (handles.length === 0) return () => undefined;
  const kept = new Map<string, ModuleLease>();
  const ended = new AbortController();
  const follow = async (handle: string) => {
    const digest = await deps.source.resolve(handle, ended.signal);
    const before = kept.get(handle);
    if (before?.digest === digest) return;
    const lease = await load(digest, deps);
    kept.set(handle, lease);
    if (!before) return;
    before.release();
    if (![...kept.values()].some((other) => other.digest === before.digest)) deps.pool.unpin(before.digest);
  };
  const round = async () => {
    for (const handle of handles)
      await follow(handle).catch((error: unknown) => {
        if (!ended.signal.aborted) deps.onFailure(handle, error);
      });
    if (!ended.signal.aborted) timer = setTimeout(() => void round(), deps.everyMs).unref();
  };
  let timer: NodeJS.Timeout | undefined;
  void round();
  return () => {
    ended.abort();
    clearTimeout(timer);
    for (const lease of kept.values()) lease.release();
  };
}

/** The module, with every signature's session open. */
async function load(digest: Digest, { modules, pool }: PinningDeps): Promise<ModuleLease> {
  const lease = await modules.lease(digest);
  try {
    pool.pin(digest);
    const { folder, bytes, manifest, module } = lease;
    for (const signature of Object.keys(manifest.signatures))
      await pool.open({ digest, folder, bytes, compileTask: module.compileTask }, signature);
    return lease;
  } catch (error) {
    pool.unpin(digest);
    lease.release();
    throw error;
  }
}
