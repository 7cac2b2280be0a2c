import { createHash } from "node:crypto";
import {
  type Digest,
  isSafeFilePath,
  MAX_MANIFEST_BYTES,
  type Manifest,
  problem,
  versionContent,
} from "@modulehub/core";
import type { Resolved } from "../operations/resolve.ts";

export type RemoteFile = Resolved["files"][number];

/** The folder, inside one that is being filled, where unfinished files lie. */
export const UNFINISHED = ".modulehub";

/**
 * The files of a version as they may be written below a folder, `module.json` first. A hub may be hostile to its
 * clients: a path that leads elsewhere, two that are one file where case doesn't count, or one that is another's
 * folder are refused with `invalid-path` before anything is written; `manifest-missing` where there is no
 * module.json of a size that is read.
 */
export function checkedFiles(resolved: Resolved): RemoteFile[] {
  const seen = new Map<string, string>();
  for (const { path, size } of resolved.files) {
    if (!isSafeFilePath(path) || fold(path).split("/").includes(UNFINISHED))
      throw refused(resolved, `${shown(path)}, which can't be written below a folder`);
    if (!Number.isSafeInteger(size) || size < 0)
      throw refused(resolved, `${shown(path)} with a size that is none`);
    const same = seen.get(fold(path));
    if (same !== undefined)
      throw refused(resolved, `both ${shown(same)} and ${shown(path)}, which are one file on some systems`);
    seen.set(fold(path), path);
  }
  for (const { path } of resolved.files)
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1))
      if (seen.has(fold(path.slice(0, slash))))
        throw refused(resolved, `${shown(path.slice(0, slash))} both as a file and as a folder`);
  const manifest = resolved.files.find(({ path }) => path === "module.json");
  if (!manifest || manifest.size > MAX_MANIFEST_BYTES)
    throw problem("manifest-missing", `The hub lists no module.json of a sound size for ${resolved.handle}.`);
  return [manifest, ...resolved.files.filter((file) => file !== manifest)];
}

/** Checks that the files are those that the version's digest stands for. Throws `digest-mismatch`. */
export function checkVersionDigest(
  files: readonly { path: string; size: number; digest: Digest }[],
  manifest: Manifest,
  version: { handle: string; digest: Digest },
): void {
  const hex = createHash("sha256").update(versionContent(files, manifest)).digest("hex");
  if (`sha256:${hex}` !== version.digest)
    throw problem(
      "digest-mismatch",
      `The hub lists files for ${version.handle} that are not those of its digest ${version.digest}. Don't use them.`,
    );
}

const fold = (path: string): string => path.normalize("NFC").toLowerCase();
const shown = (path: string): string => JSON.stringify(path.slice(0, 100));
const refused = (resolved: Resolved, what: string) =>
  problem("invalid-path", `The hub lists ${what}, for ${resolved.handle}. Nothing was written.`);
