import {
  type Action,
  batchingSchema,
  type Content,
  type Digest,
  type ModuleName,
  problem,
  type Reference,
  type VersionFile,
  versionFileSchema,
} from "@modulehub/core";
import { z } from "zod";
import type { Queries } from "../database/client.ts";
import type { Module, Version } from "../database/generated/client.ts";
import type { Principal } from "../identity/principal.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { findDocumentationFile } from "./documentation.ts";
import { findModule } from "./modules.ts";
import { deletedVersion } from "./tombstones.ts";
import { yankMark } from "./yank-mark.ts";

/**
 * The version that a reference means. `latest` is the highest that is not yanked; a digest of which there
 * are several versions means the lowest. Throws `version-not-found`, or `gone` for a deleted number.
 */
export async function findVersion(queries: Queries, module: Module, reference: Reference): Promise<Version> {
  const version = await lookUp(queries, module.id, reference);
  if (version !== null) return version;
  if (reference.kind === "version") {
    const deleted = await deletedVersion(queries, module, reference.version);
    if (deleted !== undefined) throw deleted;
  }
  if (reference.kind === "latest") {
    const yanked = await queries.version.findFirst({
      where: { moduleId: module.id },
      orderBy: { number: "desc" },
    });
    throw problem(
      "version-not-found",
      yanked === null
        ? "Nothing has been published here yet."
        : `All versions are yanked; name one exactly, such as ${module.name}/${yanked.number}.`,
    );
  }
  throw problem("version-not-found");
}

async function lookUp(queries: Queries, moduleId: number, reference: Reference): Promise<Version | null> {
  switch (reference.kind) {
    case "latest":
      return queries.version.findFirst({ where: { moduleId, yankedAt: null }, orderBy: { number: "desc" } });
    case "version":
      return queries.version.findUnique({
        where: { moduleId_number: { moduleId, number: reference.version } },
      });
    case "digest":
      return queries.version.findFirst({
        where: { moduleId, digest: reference.digest },
        orderBy: { number: "asc" },
      });
    case "alias": {
      const key = { moduleId, name: reference.alias };
      const alias = await queries.alias.findUnique({
        where: { moduleId_name: key },
        include: { version: true },
      });
      return alias?.version ?? null;
    }
  }
}

/** Module and version of a name and a reference, for a principal. Throws as the two look-ups do. */
export async function findModuleVersion(
  queries: Queries,
  principal: Principal,
  action: Action,
  name: ModuleName,
  reference: Reference,
): Promise<{ module: Module; version: Version }> {
  const module = await findModule(queries, principal, action, name);
  return { module, version: await findVersion(queries, module, reference) };
}

/**
 * A version's files by path, with those of its documentation at the revision that is given: all, or those after
 * a path.
 */
export async function versionFiles(
  queries: Queries,
  { id, documentationRevision: revision }: Pick<Version, "id" | "documentationRevision">,
  page: { after?: string; limit?: number } = {},
): Promise<VersionFile[]> {
  const { after = "", limit = null } = page;
  const rows = await queries.$queryRaw<{ path: string; size: bigint; digest: string; role: string }[]>`
    SELECT path, size, digest, role FROM version_file WHERE version_id = ${id} AND path > ${after}
    UNION ALL
    SELECT path, size, digest, 'doc' FROM documentation_file
    WHERE version_id = ${id} AND revision = ${revision} AND path > ${after}
    ORDER BY path LIMIT ${limit}::int`;
  return rows.map((row) => versionFileSchema.parse({ ...row, size: Number(row.size) }));
}

/** One of these files. Throws `file-not-found`. */
export async function findFile(queries: Queries, version: Version, path: string): Promise<VersionFile> {
  const file =
    (await queries.versionFile.findUnique({ where: { versionId_path: { versionId: version.id, path } } })) ??
    (await findDocumentationFile(queries, version.id, version.documentationRevision, path));
  return versionFileSchema.parse({ role: "doc", ...file, size: Number(file.size) });
}

/** The number of a module's latest version; undefined where all are yanked, or none was published. */
export async function latestNumber(queries: Queries, moduleId: number): Promise<number | undefined> {
  return (await lookUp(queries, moduleId, { kind: "latest" }))?.number;
}

/** A page of a module's versions, highest first, yanked ones included and marked. */
export async function listVersions(
  queries: Queries,
  moduleId: number,
  page: { limit: number; cursor?: string | undefined },
) {
  const before = page.cursor === undefined ? undefined : decodeCursor(z.int32(), page.cursor);
  const rows = await queries.version.findMany({
    where: { moduleId, ...(before !== undefined && { number: { lt: before } }) },
    orderBy: { number: "desc" },
    take: page.limit + 1,
    select: { number: true, digest: true, publishedAt: true, yankedAt: true, yankReason: true },
  });
  const items = rows.slice(0, page.limit).map((row) => ({
    version: row.number,
    digest: row.digest,
    publishedAt: row.publishedAt.toISOString(),
    ...yankMark(row),
  }));
  return rows.length > page.limit ? { items, next: encodeCursor(items.at(-1)!.version) } : { items };
}

/**
 * What a worker has to know of a version's digest: its files without documentation, and what may be batched.
 * Versions of one digest agree in both. Throws `version-not-found`.
 */
export async function contentOf(queries: Queries, digest: Digest): Promise<Content> {
  const version = await queries.version.findFirst({ where: { digest }, orderBy: { id: "asc" } });
  if (version === null) throw problem("version-not-found");
  const rows = await queries.versionFile.findMany({
    where: { versionId: version.id },
    orderBy: { path: "asc" },
  });
  const files = rows.map((row) => versionFileSchema.parse({ ...row, size: Number(row.size) }));
  return { digest, files, batching: z.record(z.string(), batchingSchema).parse(version.batching) };
}
