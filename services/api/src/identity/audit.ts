import type { Action } from "@modulehub/core";
import type { Queries } from "../database/client.ts";
import type { Prisma } from "../database/generated/client.ts";
import type { Principal } from "./principal.ts";

/** Who is answerable for a change: a principal, or what was kept of one for a job. */
export type Actor = Pick<Principal, "account" | "tokenId" | "requestId">;

/** A change, in the words of the permission table. `detail` never holds tokens or other secrets. */
export interface AuditEntry {
  action: Action;
  publisher?: string;
  module?: string;
  version?: number;
  detail?: Prisma.InputJsonObject;
}

/** Writes down who changed what. To be called in the transaction that makes the change. */
export async function recordAudit(tx: Queries, actor: Actor, entry: AuditEntry): Promise<void> {
  await tx.audit.create({
    data: {
      accountId: actor.account ?? null,
      tokenId: actor.tokenId ?? null,
      requestId: actor.requestId ?? null,
      action: entry.action,
      publisherId: entry.publisher ?? null,
      module: entry.module ?? null,
      version: entry.version ?? null,
      detail: entry.detail ?? {},
    },
  });
}
