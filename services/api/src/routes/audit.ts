import { parseModuleName } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { listAudit } from "../identity/audit.ts";
import { pageQuery, text } from "./schemas.ts";

const auditEntry = z
  .object({
    id: z.int(),
    at: z.string(),
    account: z.string().optional(),
    token: z.string().optional().meta({ description: "The token's id" }),
    requestId: z.string().optional(),
    action: z.string().meta({ description: "As in the table of permissions" }),
    publisher: z.string().optional(),
    module: z.string().optional(),
    version: z.int().optional(),
    detail: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "AuditEntry" });

/** Who changed what. */
export function auditRoutes(app: App, { database }: AppDeps): void {
  app.get(
    "/v1/audit",
    {
      config: { action: "audit.read" },
      schema: {
        summary:
          "Who changed what, newest first: of a publisher or module for its owners, of all for the admin",
        tags: ["identity"],
        querystring: pageQuery.extend({ publisher: text(64).optional(), module: text(128).optional() }),
        response: { 200: z.object({ items: z.array(auditEntry), next: z.string().optional() }) },
      },
    },
    async (request, reply) => {
      reply.header("cache-control", "private, no-store");
      const { module: named, publisher, ...page } = request.query;
      const module = named === undefined ? undefined : parseModuleName(named);
      return listAudit(database.prisma, request.principal, { module, publisher }, page);
    },
  );
}
