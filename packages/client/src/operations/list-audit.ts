import { z } from "zod";
import type { Transport } from "../transport.ts";
import type { PageOptions } from "./list-modules.ts";

/** An answer of `GET /v1/audit`. */
export const auditPage = z.looseObject({
  items: z.array(
    z.looseObject({
      id: z.int(),
      at: z.string(),
      account: z.string().optional(),
      token: z.string().optional(),
      requestId: z.string().optional(),
      action: z.string(),
      publisher: z.string().optional(),
      module: z.string().optional(),
      version: z.int().optional(),
      detail: z.record(z.string(), z.unknown()),
    }),
  ),
  next: z.string().optional(),
});
export type AuditPage = z.infer<typeof auditPage>;

/**
 * A page of who changed what, newest first: of a publisher or a module for its owners, of everything for the admin.
 * Throws as `Transport.call` does.
 */
export async function listAudit(
  transport: Transport,
  options: PageOptions & { publisher?: string; module?: string } = {},
): Promise<AuditPage> {
  return transport.call("GET", "v1/audit", auditPage, { query: { ...options } });
}
