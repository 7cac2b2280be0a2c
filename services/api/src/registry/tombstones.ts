import { type ModuleName, type ProblemError, problem, type Visibility } from "@modulehub/core";
import type { Queries } from "../database/client.ts";
import type { Module } from "../database/generated/client.ts";
import { allows, type Principal } from "../identity/principal.ts";

/** What a tombstone tells besides what lies under it. */
export interface Burial {
  by?: string | undefined;
  reason?: string | undefined;
}

/** Leaves word that a version, or with 0 the whole module, was deleted, and whose it was then. */
export async function bury(
  tx: Queries,
  { lowerName, publisherId, visibility }: Pick<Module, "lowerName" | "publisherId" | "visibility">,
  version: number,
  { by, reason }: Burial,
): Promise<void> {
  await tx.tombstone.create({
    data: { lowerName, version, publisherId, visibility, deletedBy: by ?? null, reason: reason ?? null },
  });
}

/** That a version of a module was deleted, with who, when and why; undefined where it was not. */
export async function deletedVersion(
  queries: Queries,
  { lowerName }: Pick<Module, "lowerName">,
  version: number,
): Promise<ProblemError | undefined> {
  const row = await queries.tombstone.findUnique({ where: { lowerName_version: { lowerName, version } } });
  return row === null ? undefined : gone(`Version ${version}`, row);
}

/**
 * That a module was deleted, for a principal that could see it: with who, when and why. Whose it was when it was
 * deleted counts, under its former names too, and not whom the name speaks of.
 */
export async function deletedModule(
  queries: Queries,
  principal: Principal,
  name: ModuleName,
): Promise<ProblemError | undefined> {
  const key = { lowerName: name.toLowerCase(), version: 0 };
  const row = await queries.tombstone.findUnique({ where: { lowerName_version: key } });
  if (row === null) return undefined;
  const resource = { publisher: row.publisherId, visibility: row.visibility as Visibility };
  return allows(principal, "module.read", resource) ? gone("The module", row) : undefined;
}

function gone(what: string, row: { deletedAt: Date; deletedBy: string | null; reason: string | null }) {
  const by = row.deletedBy === null ? "" : ` by ${row.deletedBy}`;
  const why = row.reason === null ? "." : `: ${row.reason}`;
  return problem("gone", `${what} was deleted on ${row.deletedAt.toISOString().slice(0, 10)}${by}${why}`);
}
