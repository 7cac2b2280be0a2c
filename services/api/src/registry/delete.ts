import { type ModuleName, problem } from "@modulehub/core";
import { dropReferences, dropReferencesWhere } from "../blobs/references.ts";
import type { Database, Queries } from "../database/client.ts";
import { Prisma } from "../database/generated/client.ts";
import { inTransaction } from "../database/transaction.ts";
import { recordAudit } from "../identity/audit.ts";
import type { Principal } from "../identity/principal.ts";
import { unpublishedBy } from "../jobs/draft-of-job.ts";
import { changeModule } from "./change-module.ts";
import { refreshListing } from "./listing.ts";
import { findModule } from "./modules.ts";
import { bury } from "./tombstones.ts";
import { findVersion } from "./versions.ts";

export interface VersionDeletion {
  module: ModuleName;
  version: number;
  reason?: string | undefined;
  /** Takes the aliases that stand for the version away too. */
  force: boolean;
}

/**
 * Deletes a version for good: its number answers `gone` from then on and is never given again. Its bytes go when
 * nothing else refers to them. Throws `version-in-use` while aliases stand for it, since what is deployed by an alias
 * would fail with it, and as `findModule` and `findVersion` do.
 */
export async function deleteVersion(
  database: Database,
  principal: Principal,
  { module: name, version: number, reason, force }: VersionDeletion,
): Promise<void> {
  await changeModule(database, principal, "module.delete", name, async (tx, module) => {
    const version = await findVersion(tx, module, { kind: "version", version: number });
    const aliases = await tx.alias.findMany({ where: { versionId: version.id }, orderBy: { name: "asc" } });
    if (aliases.length > 0 && !force)
      throw problem(
        "version-in-use",
        `${name}@${aliases[0]!.name} stands for version ${number}${
          aliases.length > 1 ? `, and ${aliases.length - 1} more aliases do` : ""
        }; move what stands for it, or delete it with ?force=true, which takes them away.`,
        { errors: aliases.slice(0, 20).map((alias) => ({ path: alias.name, message: "stands for it" })) },
      );
    const about = { publisher: module.publisherId, module: name };
    for (const alias of aliases)
      await recordAudit(tx, principal, {
        ...about,
        action: "module.alias",
        detail: { alias: alias.name, before: number, removed: true },
      });
    for (const kind of ["version", "documentation"] as const)
      await dropReferences(tx, { kind, id: String(version.id) });
    await tx.alias.deleteMany({ where: { versionId: version.id } });
    await tx.versionFile.deleteMany({ where: { versionId: version.id } });
    await tx.version.delete({ where: { id: version.id } });
    await bury(tx, module, number, { by: principal.account, reason });
    await recordAudit(tx, principal, {
      ...about,
      action: "module.delete",
      version: number,
      detail: { digest: version.digest, ...(reason !== undefined && { reason }) },
    });
    await refreshListing(tx, module.id);
  });
}

/**
 * Deletes a module with all that it has, drafts on their way included: all its names, present and former, answer
 * `gone` and are never given again. Answers with the drafts that went. Throws as `findModule` does.
 */
export async function deleteModule(
  database: Database,
  principal: Principal,
  { module: name, reason }: { module: ModuleName; reason?: string | undefined },
): Promise<{ drafts: string[] }> {
  const { id } = await findModule(database.prisma, principal, "module.delete", name);
  const run = async (tx: Queries) => {
    // Drafts first, as publishing has it, so that the two don't wait for each other.
    const drafts = await tx.$queryRaw<{ id: string; job_id: string | null }[]>`
      SELECT id, job_id FROM draft WHERE module_id = ${id} ORDER BY id FOR UPDATE`;
    const gone = problem(
      "gone",
      `The module ${name} was deleted while the job published to it.`,
    ).toDocument();
    for (const { job_id } of drafts) await unpublishedBy(tx, job_id, [gone]);
    await tx.$queryRaw`SELECT 1 FROM module WHERE id = ${id} FOR UPDATE`;
    const module = await findModule(tx, principal, "module.delete", name);
    await dropReferencesWhere(
      tx,
      Prisma.sql`(holder_kind = 'draft' AND holder_id IN (SELECT id FROM draft WHERE module_id = ${id}))
        OR (holder_kind = 'head' AND holder_id = ${String(id)})
        OR (holder_kind IN ('version', 'documentation')
          AND holder_id IN (SELECT id::text FROM version WHERE module_id = ${id}))`,
    );
    for (const { lowerName } of await tx.moduleName.findMany({ where: { moduleId: id } }))
      await bury(tx, { ...module, lowerName }, 0, { by: principal.account, reason });
    await tx.draft.deleteMany({ where: { moduleId: id } });
    await tx.alias.deleteMany({ where: { moduleId: id } });
    await tx.versionFile.deleteMany({ where: { version: { moduleId: id } } });
    const { count: versions } = await tx.version.deleteMany({ where: { moduleId: id } });
    await tx.module.delete({ where: { id } });
    await recordAudit(tx, principal, {
      action: "module.delete",
      publisher: module.publisherId,
      module: name,
      detail: { versions, ...(reason !== undefined && { reason }) },
    });
    return { drafts: drafts.map((draft) => draft.id) };
  };
  return inTransaction(database, run);
}
