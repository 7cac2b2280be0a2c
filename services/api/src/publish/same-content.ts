import { isDocumentation, manifestPaths, manifestSchema } from "@modulehub/core";
import type { Queries } from "../database/client.ts";
import type { Version } from "../database/generated/client.ts";
import type { ListedFile } from "./file-list.ts";

/**
 * Whether files are those of a version, documentation aside: publishing them again under its number is no change. A
 * module.json that a client derived, then or now, is left out of it: a newer one may derive more from the same files.
 */
export async function hasSameContent(
  queries: Queries,
  version: Pick<Version, "id" | "manifest" | "derived">,
  { files, derived }: { files: readonly ListedFile[]; derived: boolean },
): Promise<boolean> {
  const used = manifestPaths(manifestSchema.parse(version.manifest));
  const counts = ({ path }: { path: string }) =>
    !isDocumentation(path, used) && !(path === "module.json" && (derived || version.derived));
  const rows = await queries.versionFile.findMany({
    where: { versionId: version.id },
    select: { path: true, digest: true },
  });
  const there = new Map(rows.filter(counts).map(({ path, digest }) => [path, digest]));
  const wanted = files.filter(counts);
  return wanted.length === there.size && wanted.every(({ path, digest }) => there.get(path) === digest);
}
