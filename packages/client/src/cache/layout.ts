import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Digest } from "@modulehub/core";

/**
 * The cache's folder. Every path in it is made in this file.
 *
 *     blobs/ab/ab12…                    a file's bytes, by the hex digits of their sha256
 *     versions/ab/ab34…/files/<path>    a version's files by their names: hard links to blobs. Documentation stays out
 *     versions/ab/ab34…/files/….compiled-….onnx    graphs made here from those files
 *     versions/ab/ab34…/version.json    lists these files; written last, so a version with it is whole
 *     references/cd56….json             what a handle on a hub was last seen to mean
 *     partial/ab12…                     bytes of a blob on its way; continued by whoever comes next
 *     locks/ab12….lock                  one process at a time fetches a blob, or fills a version
 *
 * All can be deleted at any time when no process is loading: what is missing is fetched again.
 */
export class CacheLayout {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  blob(digest: Digest): string {
    return join(this.folder, "blobs", ...shards(digest));
  }

  versionFiles(digest: Digest): string {
    return join(this.folder, "versions", ...shards(digest), "files");
  }

  versionList(digest: Digest): string {
    return join(this.folder, "versions", ...shards(digest), "version.json");
  }

  /** `handle` in the form that `formatHandle` gives. Hashed: aliases that differ by case are not one file. */
  reference(hub: string, handle: string): string {
    const key = createHash("sha256")
      .update(JSON.stringify([hub, handle]))
      .digest("hex");
    return join(this.folder, "references", `${key}.json`);
  }

  partial(digest: Digest): string {
    return join(this.folder, "partial", hexOf(digest));
  }

  lock(kind: "blob" | "version", digest: Digest): string {
    return join(this.folder, "locks", `${kind}-${hexOf(digest)}.lock`);
  }
}

/** Where the cache is unless another folder is given: `$XDG_CACHE_HOME/modulehub`, else `~/.cache/modulehub`. */
export const defaultCacheFolder = (): string =>
  join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "modulehub");

const hexOf = (digest: Digest): string => digest.slice("sha256:".length);
const shards = (digest: Digest): [string, string] => [hexOf(digest).slice(0, 2), hexOf(digest)];
