import type { Visibility } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { allowCaching, visibilityFor } from "../http/caching.ts";
import { describeModule, findModule, listModules } from "../registry/modules.ts";
import { digestText, handleOf, moduleParams, pageQuery, text } from "./schemas.ts";

const module = z
  .object({
    module: z.string(),
    publisher: z.string(),
    visibility: z.enum(["public", "private"]),
    createdAt: z.string(),
    latest: z
      .object({ version: z.int(), digest: digestText, task: z.string(), publishedAt: z.string() })
      .optional(),
  })
  .meta({ id: "Module" });

export function moduleRoutes(app: App, { database }: AppDeps): void {
  app.get(
    "/v1/modules",
    {
      config: { action: "module.list" },
      schema: {
        summary: "List modules by name",
        tags: ["modules"],
        querystring: pageQuery.extend({ publisher: text(64).optional() }),
        response: { 200: z.object({ items: z.array(module), next: z.string().optional() }) },
      },
    },
    async (request, reply) => {
      allowCaching(reply, visibilityFor(request.principal));
      return listModules(database.prisma, request.principal, request.query);
    },
  );

  app.get(
    "/-/modules/:module",
    {
      config: { action: "module.read" },
      schema: {
        summary: "Read a module",
        tags: ["modules"],
        params: moduleParams,
        response: { 200: module },
      },
    },
    async (request, reply) => {
      const { module: name } = handleOf(request.params);
      const found = await findModule(database.prisma, request.principal, "module.read", name);
      allowCaching(reply, found.visibility as Visibility);
      return describeModule(database.prisma, found);
    },
  );
}
