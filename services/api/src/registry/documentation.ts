import { type Digest, digestSchema, problem } from "@modulehub/core";
import { z } from "zod";
import { takeReferences } from "../blobs/references.ts";
import type { Queries } from "../database/client.ts";
import type { Version } from "../database/generated/client.ts";
import { storableJson } from "../database/storable.ts";
import { cardSchema, type StoredCard } from "./card.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";

/**
 * README, licence and pictures of a version: outside its digest, and so edited after publishing, in revisions that
 * are numbered from 1 and all kept. The version's row says which one is current.
 */

export interface DocumentationFile {
  path: string;
  size: number;
  digest: Digest;
}

/** Changed files that a revision names; all are counted. */
const NAMED_CHANGES = 20;

/** What a revision changed of the one before. */
const changesSchema = z.object({
  count: z.int(),
  first: z.array(z.object({ path: z.string(), change: z.enum(["added", "changed", "removed"]) })),
});
export type Changes = z.infer<typeof changesSchema>;

export function changesBetween(
  before: readonly DocumentationFile[],
  after: readonly DocumentationFile[],
): Changes {
  const old = new Map(before.map(({ path, digest }) => [path, digest]));
  const all: Changes["first"] = [];
  for (const { path, digest } of after) {
    const known = old.get(path);
    old.delete(path);
    if (known !== digest) all.push({ path, change: known === undefined ? "added" : "changed" });
  }
  for (const path of old.keys()) all.push({ path, change: "removed" });
  return { count: all.length, first: all.slice(0, NAMED_CHANGES) };
}

/** The files of a revision, by path. */
export async function documentationFiles(
  queries: Queries,
  versionId: number,
  revision: number,
): Promise<DocumentationFile[]> {
  const rows = await queries.documentationFile.findMany({
    where: { versionId, revision },
    orderBy: { path: "asc" },
  });
  return rows.map(fileOf);
}

const fileOf = (row: { path: string; size: bigint; digest: string }): DocumentationFile => ({
  path: row.path,
  size: Number(row.size),
  digest: digestSchema.parse(row.digest),
});

/** A file of a revision. Throws `file-not-found`. */
export async function findDocumentationFile(
  queries: Queries,
  versionId: number,
  revision: number,
  path: string,
): Promise<DocumentationFile> {
  const key = { versionId, revision, path };
  const row = await queries.documentationFile.findUnique({ where: { versionId_revision_path: key } });
  if (row === null) throw problem("file-not-found");
  return fileOf(row);
}

const about = (row: {
  revision: number;
  createdAt: Date;
  createdBy: string | null;
  message: string | null;
}) => ({
  revision: row.revision,
  createdAt: row.createdAt.toISOString(),
  ...(row.createdBy !== null && { by: row.createdBy }),
  ...(row.message !== null && { message: row.message }),
});

/** A revision with its card and files; the current one unless another is named. Throws `documentation-not-found`. */
export async function readDocumentation(
  queries: Queries,
  version: Pick<Version, "id" | "documentationRevision">,
  revision = version.documentationRevision,
) {
  const key = { versionId: version.id, revision };
  const row = await queries.documentation.findUnique({ where: { versionId_revision: key } });
  if (row === null)
    throw problem(
      "documentation-not-found",
      `The documentation has revisions 1 to ${version.documentationRevision}.`,
    );
  const { text: _, ...card } = cardSchema.parse(row.card);
  return {
    ...about(row),
    current: version.documentationRevision,
    card,
    files: await documentationFiles(queries, version.id, revision),
  };
}

/** A page of a version's revisions, newest first. */
export async function listDocumentation(
  queries: Queries,
  versionId: number,
  page: { limit: number; cursor?: string | undefined },
) {
  const before = page.cursor === undefined ? undefined : decodeCursor(z.int32(), page.cursor);
  const rows = await queries.documentation.findMany({
    where: { versionId, ...(before !== undefined && { revision: { lt: before } }) },
    orderBy: { revision: "desc" },
    take: page.limit + 1,
    select: { revision: true, createdAt: true, createdBy: true, message: true, changes: true },
  });
  const items = rows
    .slice(0, page.limit)
    .map((row) => ({ ...about(row), changes: changesSchema.parse(row.changes) }));
  return rows.length > page.limit ? { items, next: encodeCursor(items.at(-1)!.revision) } : { items };
}

/** A revision before it is written. */
export interface NewDocumentation {
  versionId: number;
  revision: number;
  publisher: string;
  files: readonly DocumentationFile[];
  card: StoredCard;
  changes: Changes;
  by?: string | undefined;
  message?: string | undefined;
}

/**
 * Writes a revision and keeps its blobs, which `blobs` has by their digests. Who calls it makes it the current one.
 * Throws `blobs-missing` where one of them is being collected.
 */
export async function insertDocumentation(
  tx: Queries,
  { versionId, revision, publisher, files, card, changes, by, message }: NewDocumentation,
  blobs: ReadonlyMap<string, number>,
): Promise<void> {
  await tx.documentation.create({
    data: {
      versionId,
      revision,
      card: JSON.parse(storableJson(card)),
      changes,
      createdBy: by ?? null,
      message: message ?? null,
    },
  });
  const list = files.map(({ path, size, digest }) => ({ path, size, digest }));
  await tx.$executeRaw`
    INSERT INTO documentation_file (version_id, revision, path, size, digest)
    SELECT ${versionId}, ${revision}, f.path, f.size, f.digest
    FROM jsonb_to_recordset(${JSON.stringify(list)}::jsonb) AS f(path text, size bigint, digest text)`;
  const wanted = new Set(files.flatMap(({ digest }) => blobs.get(digest) ?? []));
  const kept = await takeReferences(tx, { kind: "documentation", id: String(versionId), publisher }, [
    ...wanted,
  ]);
  if (kept.size !== new Set(files.map(({ digest }) => digest)).size)
    throw problem("blobs-missing", "Some bytes are gone; send them again.");
}
