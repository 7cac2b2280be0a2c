import type { EngineLease, PooledModule } from "../engines/pool.ts";
import type { RunMode } from "./cost-model.ts";

/** Where engines come from; the pool. */
export interface EngineSource {
  hold(digest: string): () => void;
  isOpen(digest: string, signature: string): boolean;
  open(module: PooledModule, signature: string): Promise<void>;
  grow(module: PooledModule, signature: string): Promise<void> | undefined;
  claim(digest: string, signature: string, mode: RunMode): EngineLease | undefined;
  canClaim(digest: string, signature: string, mode: RunMode): boolean;
  /** Whether the module has an extra engine, or could have one now. */
  mayGrow(module: PooledModule): boolean;
}
