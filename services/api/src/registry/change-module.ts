import type { Action, ModuleName } from "@modulehub/core";
import type { Database, Queries } from "../database/client.ts";
import type { Module } from "../database/generated/client.ts";
import { inTransaction } from "../database/transaction.ts";
import type { Principal } from "../identity/principal.ts";
import { findModule } from "./modules.ts";

/**
 * Runs a change to a module in a transaction that holds the lock of the module's row, as publishing does, so that
 * changes come one after the other. Throws as `findModule` does.
 */
export async function changeModule<T>(
  database: Database,
  principal: Principal,
  action: Action,
  name: ModuleName,
  change: (tx: Queries, module: Module) => Promise<T>,
): Promise<T> {
  // Looked up before anything is locked: who may not change a module can't make others wait for it.
  const { id } = await findModule(database.prisma, principal, action, name);
  const run = async (tx: Queries) => {
    await tx.$queryRaw`SELECT 1 FROM module WHERE id = ${id} FOR NO KEY UPDATE`;
    return change(tx, await findModule(tx, principal, action, name));
  };
  return inTransaction(database, run);
}
