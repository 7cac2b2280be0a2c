import type { Readable } from "node:stream";
import type { Content, Digest } from "@modulehub/core";

/** Where a worker gets modules from, by digest. */
export interface ModuleSource {
  /**
   * The files of a version and what was proven about it. Throws `version-not-found` where there is no such
   * version, `worker-unavailable` where it could not be looked up.
   */
  content(digest: Digest, signal: AbortSignal): Promise<Content>;
  /**
   * A blob's bytes, unverified. Throws `blob-not-found`, or `store-unavailable` where they could not be fetched.
   */
  blob(digest: Digest, signal: AbortSignal): Promise<Readable>;
  /** The version that a handle stands for now. Throws as `content` does. */
  resolve(handle: string, signal: AbortSignal): Promise<Digest>;
}
