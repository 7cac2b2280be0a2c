import { hash } from "node:crypto";
import { EMPTY_REVISION, REVISION_LENGTH, revisionContent } from "@modulehub/core";
import type { Queries } from "../database/client.ts";
import type { Version } from "../database/generated/client.ts";
import { versionFiles } from "./versions.ts";

/**
 * Adds the state that a version and its current documentation now make to the module's chain of revisions. To be
 * called under the lock of the module's row: each revision names the one before it.
 */
export async function addRevision(
  tx: Queries,
  { moduleId, versionId }: { moduleId: number; versionId: number },
): Promise<string> {
  const { documentationRevision } = await tx.version.findUniqueOrThrow({
    where: { id: versionId },
    select: { documentationRevision: true },
  });
  const last = await tx.revision.findFirst({ where: { moduleId }, orderBy: { id: "desc" } });
  const parent = last?.revision ?? EMPTY_REVISION;
  const files = await versionFiles(tx, { id: versionId, documentationRevision });
  const revision = hash("sha256", revisionContent(parent, files)).slice(0, REVISION_LENGTH);
  await tx.revision.create({ data: { moduleId, versionId, documentationRevision, revision, parent } });
  return revision;
}

/** The revision of a version with its current documentation. */
export async function revisionOf(
  queries: Queries,
  { id, documentationRevision }: Pick<Version, "id" | "documentationRevision">,
): Promise<string> {
  const key = { versionId: id, documentationRevision };
  const row = await queries.revision.findUniqueOrThrow({
    where: { versionId_documentationRevision: key },
    select: { revision: true },
  });
  return row.revision;
}
