import { type ModuleName, parseModuleName, problem, publisherOf, type Visibility } from "@modulehub/core";
import type { Database, Queries } from "../database/client.ts";
import type { Module } from "../database/generated/client.ts";
import { isUniqueViolation } from "../database/query-errors.ts";
import { recordAudit } from "../identity/audit.ts";
import type { Principal } from "../identity/principal.ts";
import { changeModule } from "./change-module.ts";
import { refreshListing } from "./listing.ts";
import { namesOf } from "./modules.ts";
import { findPublisher } from "./publishers.ts";
import { deletedModule } from "./tombstones.ts";

export interface ModuleSettings {
  visibility?: Visibility | undefined;
  /** Another name, in the same publisher or in another one that the principal owns. */
  module?: string | undefined;
}

/**
 * Changes who may see a module, its name, or both. Its former names lead to it for good, and no other module gets
 * them. Answers with the module's id and its name from now on. Throws `invalid-name`, `name-taken`, `gone`, `forbidden`
 * or `not-found` for the other publisher, and as `findModule` does; nothing is changed then.
 */
export async function changeSettings(
  database: Database,
  principal: Principal,
  name: ModuleName,
  settings: ModuleSettings,
): Promise<{ id: number; name: ModuleName }> {
  const wanted = settings.module === undefined ? name : parseModuleName(settings.module);
  const change = () =>
    changeModule(database, principal, "module.settings", name, async (tx, module) => {
      if (wanted !== name) await rename(tx, principal, module, wanted);
      const { visibility = module.visibility } = settings;
      if (visibility !== module.visibility) {
        await tx.module.update({ where: { id: module.id }, data: { visibility } });
        await recordAudit(tx, principal, {
          action: "module.settings",
          publisher: publisherOf(wanted),
          module: wanted,
          detail: { visibility, before: module.visibility },
        });
      }
      await refreshListing(tx, module.id);
      return { id: module.id, name: wanted };
    });
  return change().catch((error: unknown) => {
    // Someone took the name at the same time: the second look says so.
    if (isUniqueViolation(error)) return change();
    throw error;
  });
}

async function rename(tx: Queries, principal: Principal, module: Module, to: ModuleName): Promise<void> {
  const publisher = publisherOf(to);
  if (publisher !== module.publisherId) await findPublisher(tx, principal, "module.settings", publisher);
  const names = namesOf(to);
  const known = await tx.moduleName.findMany({
    where: { OR: [{ lowerName: names.lowerName }, { hfName: names.hfName }] },
  });
  const others = known.filter(({ moduleId }) => moduleId !== module.id);
  const taken = others[0] ?? known.find(({ lowerName }) => lowerName !== names.lowerName);
  const deleted = await deletedModule(tx, principal, to);
  if (deleted !== undefined) throw deleted;
  if (taken !== undefined) throw problem("name-taken", `The name clashes with ${taken.name}.`);
  if (known.length === 0)
    await tx.moduleName.create({
      data: { lowerName: names.lowerName, hfName: names.hfName, name: to, moduleId: module.id },
    });
  await tx.module.update({ where: { id: module.id }, data: { name: to, publisherId: publisher, ...names } });
  await tx.$executeRaw`
    UPDATE tombstone SET lower_name = ${names.lowerName} WHERE lower_name = ${module.lowerName} AND version > 0`;
  if (publisher !== module.publisherId) await transferBlobs(tx, module.id, publisher);
  const detail = { module: to, before: module.name };
  for (const owner of new Set([module.publisherId, publisher]))
    await recordAudit(tx, principal, {
      action: "module.settings",
      publisher: owner,
      module: owner === publisher ? to : module.name,
      detail,
    });
}

/** What a module's versions, drafts and head refer to is the new publisher's, to publish again and to count. */
async function transferBlobs(tx: Queries, moduleId: number, publisher: string): Promise<void> {
  await tx.$executeRaw`
    UPDATE blob_reference SET publisher_id = ${publisher}
    WHERE (holder_kind = 'draft' AND holder_id IN (SELECT id FROM draft WHERE module_id = ${moduleId}))
      OR (holder_kind = 'head' AND holder_id = ${String(moduleId)})
      OR (holder_kind IN ('version', 'documentation')
        AND holder_id IN (SELECT id::text FROM version WHERE module_id = ${moduleId}))`;
}
