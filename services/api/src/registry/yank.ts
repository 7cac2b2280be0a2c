import type { ModuleName } from "@modulehub/core";
import type { Database } from "../database/client.ts";
import { recordAudit } from "../identity/audit.ts";
import type { Principal } from "../identity/principal.ts";
import { changeModule } from "./change-module.ts";
import { refreshListing } from "./listing.ts";
import { findVersion } from "./versions.ts";
import type { Yanked } from "./yank-mark.ts";

/**
 * Withdraws a version: `latest` and lists pass over it, its number, digest and aliases still lead to it. One that
 * is withdrawn already keeps its time and gets the new reason. Throws `module-not-found`, `version-not-found`,
 * `gone`.
 */
export async function yankVersion(
  database: Database,
  principal: Principal,
  { module: name, version: number, reason }: { module: ModuleName; version: number; reason: string },
): Promise<{ version: number; digest: string; yanked: Yanked }> {
  return changeModule(database, principal, "module.yank", name, async (tx, module) => {
    const version = await findVersion(tx, module, { kind: "version", version: number });
    const yankedAt = version.yankedAt ?? new Date();
    await tx.version.update({ where: { id: version.id }, data: { yankedAt, yankReason: reason } });
    await recordAudit(tx, principal, {
      action: "module.yank",
      publisher: module.publisherId,
      module: name,
      version: number,
      detail: { reason },
    });
    await refreshListing(tx, module.id);
    return {
      version: version.number,
      digest: version.digest,
      yanked: { reason, at: yankedAt.toISOString() },
    };
  });
}

/** Takes a withdrawal back; a version that was not withdrawn stays as it is. Throws as `yankVersion` does. */
export async function unyankVersion(
  database: Database,
  principal: Principal,
  { module: name, version: number }: { module: ModuleName; version: number },
): Promise<void> {
  await changeModule(database, principal, "module.yank", name, async (tx, module) => {
    const { id, yankedAt } = await findVersion(tx, module, { kind: "version", version: number });
    if (yankedAt === null) return;
    await tx.version.update({ where: { id }, data: { yankedAt: null, yankReason: null } });
    await recordAudit(tx, principal, {
      action: "module.yank",
      publisher: module.publisherId,
      module: name,
      version: number,
      detail: { undone: true },
    });
    await refreshListing(tx, module.id);
  });
}
