import { isDocumentation, manifestPaths, publisherOf } from "@modulehub/core";
import { scanFolder } from "../publish/scan-folder.ts";
import { memoryFiles, type SourceFile } from "../publish/source-file.ts";
import { hashFiles, withBytes } from "../publish/with-bytes.ts";
import type { Transport } from "../transport.ts";
import { type Documentation, documentation, documentationAnswer } from "./documentation.ts";
import { exactVersion } from "./exact-version.ts";
import { showVersion } from "./show-version.ts";

export interface EditDocumentationOptions {
  /** The revision that the change was made to. Default: the one that is current when the call begins. */
  base?: number;
  /** What was changed, and why, in a line. */
  message?: string;
  signal?: AbortSignal;
}

/**
 * Gives a version another documentation: the README, LICENSE and NOTICE files, `docs/` and `images/` of a folder,
 * whatever else lies in it, or files by their paths. It is the whole documentation from then on. Sends only the bytes
 * that the hub lacks. Throws `documentation-conflict` where it was edited since `base`, `not-documentation` for other
 * files, LocalFileError, and as `Transport.call` does.
 */
export async function editDocumentation(
  transport: Transport,
  handle: string,
  source: string | Record<string, string | Uint8Array>,
  options: EditDocumentationOptions = {},
): Promise<Documentation> {
  const { module, version } = exactVersion(handle);
  const { message } = options;
  const signal = options.signal ?? new AbortController().signal;
  const base = options.base ?? (await documentation(transport, handle, { signal })).revision;
  const files =
    typeof source === "string" ? await fromFolder(transport, handle, source) : memoryFiles(source);
  const hashed = await hashFiles(files, signal);
  const list = hashed.map(({ source: { path, size }, digest }) => ({ path, size, digest }));
  const path = `v1/modules/${module}/versions/${version}/documentation`;
  return withBytes(transport, publisherOf(module), hashed, signal, () =>
    transport.call("PUT", path, documentationAnswer, {
      body: { base, files: list, message },
      retry: "safe",
      signal,
    }),
  );
}

/** What the hub takes for documentation depends on the version's manifest: what that uses is none. */
async function fromFolder(transport: Transport, handle: string, folder: string): Promise<SourceFile[]> {
  const [files, { manifest }] = await Promise.all([scanFolder(folder), showVersion(transport, handle)]);
  const used = manifestPaths(manifest);
  return files.filter(({ path }) => isDocumentation(path, used));
}
