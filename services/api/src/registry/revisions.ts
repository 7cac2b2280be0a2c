import { hash } from "node:crypto";
import { type ContentFile, EMPTY_REVISION, problem, REVISION_LENGTH, revisionContent } from "@modulehub/core";
import type { Queries } from "../database/client.ts";
import type { Version } from "../database/generated/client.ts";
import { versionFiles } from "./versions.ts";

/** Who made a revision, why, and of what; what is left out is not known, or is what was published last. */
export interface NewRevision {
  /** The revision before it. */
  parent?: string | undefined;
  /** The head's commit that it comes of: its own name, unless module.json was derived on the way. */
  commit?: string | undefined;
  author?: string | undefined;
  message?: string | undefined;
  /** sha256 of the commit that was asked for. */
  request?: string | undefined;
}

/** A version with a documentation of it. */
export interface PublishedState {
  versionId: number;
  documentationRevision: number;
}

/**
 * Writes the revision that some files make on top of its parent, as a version's state or as a commit that is none yet.
 * To be called under the lock of the module's row. Parent and files are all that a revision says: a commit that was
 * thrown away and is made again is the same one, and where the very same has been published already, the new one
 * stands on top of that.
 */
export async function addRevision(
  tx: Queries,
  moduleId: number,
  files: readonly ContentFile[],
  { parent, author, message, request }: NewRevision & { parent: string },
  state?: PublishedState,
): Promise<string> {
  const data = {
    author: author ?? null,
    message: message ?? null,
    request: request ?? null,
    ...state,
  };
  for (let before = parent; ; ) {
    const revision = revisionAfter(before, files);
    const there = await tx.revision.findUnique({ where: { moduleId_revision: { moduleId, revision } } });
    if (there !== null && there.versionId !== null) {
      before = revision;
      continue;
    }
    // Written anew, so that what was published last has the highest id.
    if (there !== null) await tx.revision.delete({ where: { id: there.id } });
    await tx.revision.create({ data: { moduleId, revision, parent: before, ...data } });
    return revision;
  }
}

/** The revision that some files make on top of another. */
export const revisionAfter = (parent: string, files: readonly ContentFile[]): string =>
  hash("sha256", revisionContent(parent, files)).slice(0, REVISION_LENGTH);

/** Adds the state that a version and its current documentation now make, on top of what was published last. */
export async function addVersionRevision(
  tx: Queries,
  moduleId: number,
  versionId: number,
  about: NewRevision,
): Promise<string> {
  const { documentationRevision } = await tx.version.findUniqueOrThrow({
    where: { id: versionId },
    select: { documentationRevision: true },
  });
  const state = { versionId, documentationRevision };
  const files = await versionFiles(tx, { id: versionId, documentationRevision });
  if (about.commit !== undefined) return publishCommit(tx, moduleId, about.commit, files, state);
  const parent = about.parent ?? (await lastPublished(tx, moduleId));
  return addRevision(tx, moduleId, files, { ...about, parent }, state);
}

async function publishCommit(
  tx: Queries,
  moduleId: number,
  commit: string,
  files: readonly ContentFile[],
  state: PublishedState,
): Promise<string> {
  const row = await tx.revision.findUnique({
    where: { moduleId_revision: { moduleId, revision: commit } },
  });
  const about = { author: row?.author ?? undefined, message: row?.message ?? undefined };
  if (row !== null && row.versionId === null && revisionAfter(row.parent, files) === commit)
    return addRevision(
      tx,
      moduleId,
      files,
      { ...about, parent: row.parent, request: row.request ?? undefined },
      state,
    );
  const revision = await addRevision(tx, moduleId, files, { ...about, parent: commit }, state);
  await meanVersion(tx, moduleId, commit, state);
  return revision;
}

async function lastPublished(queries: Queries, moduleId: number): Promise<string> {
  const last = await queries.revision.findFirst({
    where: { moduleId, versionId: { not: null } },
    orderBy: { id: "desc" },
  });
  if (last === null || last.versionId === null || last.documentationRevision === null) return EMPTY_REVISION;
  return revisionOf(queries, { id: last.versionId, documentationRevision: last.documentationRevision });
}

/** The revision of a version with its current documentation: its own, which was written before others that mean it. */
export async function revisionOf(
  queries: Queries,
  { id, documentationRevision }: Pick<Version, "id" | "documentationRevision">,
): Promise<string> {
  const row = await queries.revision.findFirstOrThrow({
    where: { versionId: id, documentationRevision },
    orderBy: { id: "asc" },
    select: { revision: true },
  });
  return row.revision;
}

/**
 * Has a commit mean a version from now on; one that means another already stays so. The version has a revision of its
 * own by then.
 */
export async function meanVersion(
  tx: Queries,
  moduleId: number,
  revision: string,
  state: PublishedState,
): Promise<void> {
  const row = await tx.revision.findUnique({ where: { moduleId_revision: { moduleId, revision } } });
  if (row === null || row.versionId !== null) return;
  const { id, ...data } = row;
  await tx.revision.delete({ where: { id } });
  await tx.revision.create({ data: { ...data, ...state } });
}

/** What a revision of a module is published as. Throws `revision-not-found`, also for a commit that is no version yet. */
export async function publishedAs(
  queries: Queries,
  moduleId: number,
  revision: string,
): Promise<{ version: Version; documentationRevision: number; revision: string; createdAt: Date }> {
  const row = await queries.revision.findUnique({
    where: { moduleId_revision: { moduleId, revision } },
    include: { documentation: { include: { version: true } } },
  });
  if (!row?.documentation) throw problem("revision-not-found");
  const { documentation, createdAt } = row;
  return {
    version: documentation.version,
    documentationRevision: documentation.revision,
    revision,
    createdAt,
  };
}
