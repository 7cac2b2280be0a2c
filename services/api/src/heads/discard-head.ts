import type { ModuleName } from "@modulehub/core";
import type { Database } from "../database/client.ts";
import type { Module } from "../database/generated/client.ts";
import { recordAudit } from "../identity/audit.ts";
import type { Principal } from "../identity/principal.ts";
import { changeModule } from "../registry/change-module.ts";
import { readHead } from "./head.ts";
import { dropHead } from "./settle-head.ts";

/**
 * Throws away the commits of a head that no version has: it is the latest version again. A draft that was made of it
 * goes on. Throws as `findModule` does.
 */
export async function discardHead(
  database: Database,
  principal: Principal,
  name: ModuleName,
): Promise<Module> {
  return changeModule(database, principal, "head.write", name, async (tx, module) => {
    const { kind, revision } = await readHead(tx, module.id);
    if (kind !== "ahead") return module;
    await dropHead(tx, module.id);
    await recordAudit(tx, principal, {
      action: "head.write",
      publisher: module.publisherId,
      module: name,
      detail: { discarded: revision },
    });
    return module;
  });
}
