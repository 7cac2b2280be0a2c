import { MAX_VERSION, parseModuleName, problem, type Visibility } from "@modulehub/core";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { allowCaching } from "../http/caching.ts";
import { type Expected, listAliases, removeAlias, setAlias } from "../registry/aliases.ts";
import { findModule } from "../registry/modules.ts";
import type { Resolver } from "../registry/resolver.ts";
import { digestText, handleOf, moduleParams, pageQuery } from "./schemas.ts";

const alias = z
  .object({ alias: z.string(), version: z.int(), digest: digestText, updatedAt: z.string() })
  .meta({ id: "Alias" });

const aliasParams = moduleParams.extend({ alias: z.string() });

/** An alias's ETag is the number of its version in quotes, so that `If-Match` can be written by hand. */
const conditions = z.object({ "if-match": z.string().max(512).optional() });

export function aliasRoutes(app: App, { database }: AppDeps, resolver: Resolver): void {
  app.get(
    "/-/modules/:module/aliases",
    {
      config: { action: "module.read" },
      schema: {
        summary: "List a module's aliases by name",
        tags: ["versions"],
        params: moduleParams,
        querystring: pageQuery,
        response: { 200: z.object({ items: z.array(alias), next: z.string().optional() }) },
      },
    },
    async (request, reply) => {
      const { module: name } = handleOf(request.params);
      const module = await findModule(database.prisma, request.principal, "module.read", name);
      allowCaching(reply, module.visibility as Visibility);
      return listAliases(database.prisma, module.id, request.query);
    },
  );

  app.put(
    "/-/modules/:module/aliases/:alias",
    {
      config: { action: "module.alias" },
      schema: {
        summary: "Make an alias stand for a version, or move it there",
        tags: ["versions"],
        params: aliasParams,
        headers: conditions,
        body: z.strictObject({ version: z.int().min(1).max(MAX_VERSION) }),
        response: { 200: alias, 201: alias },
      },
    },
    async (request, reply) => {
      const module = parseModuleName(request.params.module);
      const wanted = { module, alias: request.params.alias, version: request.body.version };
      const { created, ...answer } = await resolver.changing(module, () =>
        setAlias(database, request.principal, wanted, expectedBy(request)),
      );
      return reply
        .code(created ? 201 : 200)
        .header("etag", `"${answer.version}"`)
        .send(answer);
    },
  );

  app.delete(
    "/-/modules/:module/aliases/:alias",
    {
      config: { action: "module.alias" },
      schema: {
        summary: "Take an alias away; what it stood for stays",
        tags: ["versions"],
        params: aliasParams,
        headers: conditions,
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      const module = parseModuleName(request.params.module);
      const unwanted = { module, alias: request.params.alias };
      await resolver.changing(module, () =>
        removeAlias(database, request.principal, unwanted, expectedBy(request)),
      );
      return reply.code(204).send(null);
    },
  );
}

/** What `If-Match` says (RFC 9110, section 13.1.1). Throws `invalid-request` where that is no list of ETags. */
function expectedBy({ headers }: FastifyRequest): Expected {
  const header = headers["if-match"]?.trim();
  if (header === undefined) return undefined;
  if (header === "*") return "any";
  const tags = header.split(",").map((tag) => /^\s*"([^"]*)"\s*$/.exec(tag)?.[1]);
  if (tags.some((tag) => tag === undefined))
    throw problem("invalid-request", 'If-Match is the number of a version in quotes, such as "3", or *.');
  return tags.map(Number);
}
