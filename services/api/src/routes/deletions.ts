import { parseModuleName } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import type { DraftEvents } from "../publish/draft-events.ts";
import { deleteModule, deleteVersion } from "../registry/delete.ts";
import type { Resolver } from "../registry/resolver.ts";
import { exactVersion, moduleParams, text, versionParams } from "./schemas.ts";

/** In the query: what lies between may drop the body of a DELETE (RFC 9110, section 9.3.5). */
const reason = text(1000)
  .trim()
  .min(1)
  .optional()
  .meta({ description: "Told to whoever asks for what was deleted" });

/** Deleting, for good: names and numbers are never given again. */
export function deletionRoutes(
  app: App,
  { database }: AppDeps,
  resolver: Resolver,
  events: DraftEvents,
): void {
  app.delete(
    "/-/modules/:module/versions/:version",
    {
      config: { action: "module.delete" },
      schema: {
        summary: "Delete a version for good; yanking is enough to advise against one",
        tags: ["versions"],
        params: versionParams,
        querystring: z.strictObject({
          reason,
          force: z
            .enum(["true", "false"])
            .default("false")
            .meta({ description: "Take the aliases that stand for it away too" }),
        }),
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      const exact = exactVersion(request.params, "…/versions/3");
      const { reason, force } = request.query;
      await resolver.changing(exact.module, () =>
        deleteVersion(database, request.principal, { ...exact, reason, force: force === "true" }),
      );
      return reply.code(204).send(null);
    },
  );

  app.delete(
    "/-/modules/:module",
    {
      config: { action: "module.delete" },
      schema: {
        summary: "Delete a module with all its versions and drafts, for good",
        tags: ["modules"],
        params: moduleParams,
        querystring: z.strictObject({ reason }),
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      const module = parseModuleName(request.params.module);
      const { reason } = request.query;
      const { drafts } = await resolver.changing(module, () =>
        deleteModule(database, request.principal, { module, reason }),
      );
      // Whoever watches one, and whatever verifies one, gives up.
      for (const id of drafts) events.tell(id, { kind: "changed" });
      return reply.code(204).send(null);
    },
  );
}
