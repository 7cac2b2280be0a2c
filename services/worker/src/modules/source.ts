import type { Readable } from "node:stream";
import { type Content, type Digest, ProblemError, problem } from "@modulehub/core";

/** Where a worker gets modules from, by digest. */
export interface ModuleSource {
  /**
   * The files of a version and what was proven about it. Throws `version-not-found` where there is no such
   * version, `store-unavailable` where it could not be looked up.
   */
  content(digest: Digest, signal: AbortSignal): Promise<Content>;
  /**
   * A blob's bytes, unverified. Throws `blob-not-found`, or `store-unavailable` where they could not be fetched; once
   * they come, any error may break them off (`asBrokenOff`).
   */
  blob(digest: Digest, signal: AbortSignal): Promise<Readable>;
  /** The version that a handle stands for now. Throws as `content` does. */
  resolve(handle: string, signal: AbortSignal): Promise<Digest>;
}

/** What is to be thrown for an error of bytes on their way: a problem as it is, anything else as `store-unavailable`. */
export function asBrokenOff(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  return problem("store-unavailable", "The bytes from the hub's API broke off.", {
    retryAfter: 5,
    cause: error,
  });
}

/** How long fetching a module's files may take in all, in minutes. */
const FETCH_MINUTES = 15;

/** Ends fetching that takes too long, with the problem that this is. */
export function fetchDeadline(): AbortSignal {
  const controller = new AbortController();
  const late = () =>
    controller.abort(
      problem("store-unavailable", `The files were not here after ${FETCH_MINUTES} minutes.`, {
        retryAfter: 30,
      }),
    );
  setTimeout(late, FETCH_MINUTES * 60_000).unref();
  return controller.signal;
}
