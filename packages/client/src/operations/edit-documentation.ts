import { type Digest, isDocumentation, manifestPaths, ProblemError, publisherOf } from "@modulehub/core";
import { scanFolder } from "../publish/scan-folder.ts";
import { hashFile, memoryFile, type SourceFile } from "../publish/source-file.ts";
import { upload } from "../publish/upload.ts";
import { runAll } from "../tasks/run-all.ts";
import { Slots } from "../tasks/slots.ts";
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

/** Files sent at once. */
const FILES_AT_ONCE = 4;

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
  const files = typeof source === "string" ? await fromFolder(transport, handle, source) : fromMemory(source);
  const hashed: { source: SourceFile; digest: Digest }[] = [];
  for (const file of files)
    hashed.push({ source: file, digest: await hashFile(file, () => undefined, signal) });
  const list = hashed.map(({ source: { path, size }, digest }) => ({ path, size, digest }));
  const path = `v1/modules/${module}/versions/${version}/documentation`;
  const put = () =>
    transport.call("PUT", path, documentationAnswer, {
      body: { base, files: list, message },
      retry: "safe",
      signal,
    });
  try {
    return await put();
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== "blobs-missing") throw error;
    const missing = new Set(error.errors?.map((each) => each.path));
    const byDigest = new Map(hashed.map((file) => [file.digest, file]));
    const wanted = new Set(list.filter((file) => missing.has(file.path)).map(({ digest }) => digest));
    const slots = new Slots(FILES_AT_ONCE);
    await runAll([...wanted], FILES_AT_ONCE, signal, async (digest, signal) => {
      const { source } = byDigest.get(digest)!;
      const publisher = publisherOf(module);
      await upload({ transport, publisher, source, digest, slots, onSent: () => undefined, signal });
    });
    return put();
  }
}

/** What the hub takes for documentation depends on the version's manifest: what that uses is none. */
async function fromFolder(transport: Transport, handle: string, folder: string): Promise<SourceFile[]> {
  const [files, { manifest }] = await Promise.all([scanFolder(folder), showVersion(transport, handle)]);
  const used = manifestPaths(manifest);
  return files.filter(({ path }) => isDocumentation(path, used));
}

const fromMemory = (files: Record<string, string | Uint8Array>): SourceFile[] =>
  Object.entries(files).map(([path, content]) =>
    memoryFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content),
  );
