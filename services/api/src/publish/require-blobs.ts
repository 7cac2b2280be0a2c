import { problem } from "@modulehub/core";
import { blobsOpenTo, type StoredBlob } from "../blobs/references.ts";
import type { Queries } from "../database/client.ts";
import type { ListedFile } from "./file-list.ts";

/**
 * The blobs of some files, among those that a publisher may refer to. Throws `blobs-missing`, naming every file whose
 * bytes are not there, and `size-mismatch`.
 */
export async function requireBlobs(
  queries: Queries,
  publisher: string,
  files: readonly ListedFile[],
): Promise<Map<string, StoredBlob>> {
  const digests = files.map(({ digest }) => digest);
  const there = await blobsOpenTo(queries, publisher, digests);
  const missing = files.filter(({ digest }) => !there.has(digest));
  if (missing.length > 0)
    throw problem("blobs-missing", `${missing.length} files are missing; upload them first.`, {
      errors: missing.map(({ path, digest }) => ({ path, message: `${digest} is missing` })),
    });
  const wrong = files.find(({ size, digest }) => there.get(digest)?.size !== size);
  if (wrong !== undefined)
    throw problem(
      "size-mismatch",
      `${wrong.path} has ${there.get(wrong.digest)?.size} bytes, not ${wrong.size}.`,
    );
  return there;
}
