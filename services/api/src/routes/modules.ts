import type { Visibility } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { allowCaching, visibilityFor } from "../http/caching.ts";
import { COUNTED, countFacets, MAX_COUNTED } from "../registry/count-facets.ts";
import { findModules, MAX_RANKED } from "../registry/find-modules.ts";
import { describeModule } from "../registry/module-answer.ts";
import { findModule } from "../registry/modules.ts";
import { moduleQuery, queryFrom } from "./module-query.ts";
import { digestText, handleOf, moduleParams, pageQuery } from "./schemas.ts";

export const moduleAnswer = z
  .object({
    module: z.string(),
    publisher: z.string(),
    visibility: z.enum(["public", "private"]),
    createdAt: z.string(),
    title: z.string().optional(),
    description: z.string().optional(),
    domain: z.string().optional(),
    architecture: z.string().optional(),
    license: z.string().optional(),
    languages: z.array(z.string()).optional(),
    datasets: z.array(z.string()).optional(),
    baseModels: z.array(z.string()).optional(),
    tags: z.array(z.string()).optional(),
    dtypes: z.array(z.string()).optional(),
    latest: z
      .object({
        version: z.int(),
        digest: digestText,
        task: z.string(),
        publishedAt: z.string(),
        size: z.int().min(0).meta({ description: "Bytes of all files" }),
      })
      .optional(),
  })
  .meta({ id: "Module" });

const counts = z.array(z.object({ value: z.string(), count: z.int() }));

const facets = z
  .object({
    counted: z.int().meta({ description: `Modules that were counted, at most ${MAX_COUNTED}` }),
    approximate: z.boolean().meta({ description: "There may be more modules than were counted" }),
    values: z.object(
      Object.fromEntries(COUNTED.map((filter) => [filter, counts])) as Record<
        (typeof COUNTED)[number],
        typeof counts
      >,
    ),
  })
  .meta({ id: "Facets" });

const listQuery = z.strictObject({
  ...moduleQuery.shape,
  ...pageQuery.shape,
  facets: z
    .enum(["true", "false"])
    .default("false")
    .meta({ description: "Count the values of filters among the modules that fit" }),
});

export function moduleRoutes(app: App, { database }: AppDeps): void {
  app.get(
    "/v1/modules",
    {
      config: { action: "module.list" },
      schema: {
        summary: "List modules, or search them by words and filters",
        tags: ["modules"],
        querystring: listQuery,
        response: {
          200: z.object({
            items: z.array(moduleAnswer),
            next: z.string().optional(),
            capped: z
              .literal(true)
              .optional()
              .meta({ description: `Only ${MAX_RANKED} modules are ranked, and as many fit or more` }),
            facets: facets.optional(),
          }),
        },
      },
    },
    async (request, reply) => {
      const { limit, cursor, facets, ...given } = request.query;
      const { principal } = request;
      const query = queryFrom(given);
      const list = await findModules(database.prisma, principal, query, { limit, cursor });
      allowCaching(reply, visibilityFor(principal));
      if (facets === "false") return list;
      return { ...list, facets: await countFacets(database.prisma, principal, query) };
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
        response: { 200: moduleAnswer },
      },
    },
    async (request, reply) => {
      const { module: name } = handleOf(request.params);
      const found = await findModule(database.prisma, request.principal, "module.read", name);
      allowCaching(reply, found.visibility as Visibility);
      return describeModule(database.prisma, found.id);
    },
  );
}
