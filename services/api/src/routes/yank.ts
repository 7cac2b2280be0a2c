import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import type { Resolver } from "../registry/resolver.ts";
import { unyankVersion, yankVersion } from "../registry/yank.ts";
import { digestText, exactVersion, text, versionParams, yanked } from "./schemas.ts";

export function yankRoutes(app: App, { database }: AppDeps, resolver: Resolver): void {
  app.post(
    "/-/modules/:module/versions/:version/yank",
    {
      config: { action: "module.yank" },
      schema: {
        summary:
          "Withdraw a version: hidden from latest and lists, still there by its number, digest and aliases",
        tags: ["versions"],
        params: versionParams,
        body: z.strictObject({ reason: text(1000).trim().min(1) }),
        response: { 200: z.object({ version: z.int(), digest: digestText, yanked }) },
      },
    },
    async (request) => {
      const exact = exactVersion(request.params, "…/versions/3/yank");
      const { reason } = request.body;
      return resolver.changing(exact.module, () =>
        yankVersion(database, request.principal, { ...exact, reason }),
      );
    },
  );

  app.delete(
    "/-/modules/:module/versions/:version/yank",
    {
      config: { action: "module.yank" },
      schema: {
        summary: "Take a withdrawal back",
        tags: ["versions"],
        params: versionParams,
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      const exact = exactVersion(request.params, "…/versions/3/yank");
      await resolver.changing(exact.module, () => unyankVersion(database, request.principal, exact));
      return reply.code(204).send(null);
    },
  );
}
