import { inUrl, type Visibility } from "@modulehub/core";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import type { Module, Version } from "../database/generated/client.ts";
import { allowCaching } from "../http/caching.ts";
import { cardSchema } from "../registry/card.ts";
import { findDocumentationFile, listDocumentation, readDocumentation } from "../registry/documentation.ts";
import { editDocumentation, MAX_DOCUMENTATION_FILES } from "../registry/edit-documentation.ts";
import { findModuleVersion } from "../registry/versions.ts";
import { sendFile } from "./files.ts";
import {
  digestInput,
  digestText,
  exactVersion,
  handleOf,
  pageQuery,
  text,
  versionParams,
} from "./schemas.ts";

/** 1,000 files with paths of 512 bytes. */
const MAX_EDIT_BYTES = 1_048_576;

const number = z.int().min(1).max(2_147_483_647);

const about = z.object({
  revision: z.int(),
  createdAt: z.string(),
  by: z.string().optional(),
  message: z.string().optional(),
});

const documentation = about
  .extend({
    module: z.string(),
    version: z.int(),
    current: z.int().meta({ description: "The current revision: what an edit is based on" }),
    card: cardSchema.omit({ text: true }),
    files: z.array(z.object({ path: z.string(), size: z.int().min(0), digest: digestText, url: z.string() })),
  })
  .meta({ id: "Documentation" });

const revisionQuery = z.object({ revision: z.coerce.number().pipe(number).optional() });

export function documentationRoutes(app: App, deps: AppDeps): void {
  const { database, publicUrl } = deps;
  const path = "/-/modules/:module/versions/:version/documentation";

  app.get(
    path,
    {
      config: { action: "module.read" },
      schema: {
        summary: "A version's documentation: its card and files, now or at a revision",
        tags: ["documentation"],
        params: versionParams,
        querystring: revisionQuery,
        response: { 200: documentation },
      },
    },
    async (request, reply) => {
      const found = await find(request, "module.read", request.params);
      allowCaching(reply, found.module.visibility as Visibility);
      return answer(found, request.query.revision);
    },
  );

  app.get(
    `${path}/revisions`,
    {
      config: { action: "module.read" },
      schema: {
        summary: "List the revisions of a version's documentation, newest first: who, when and what changed",
        tags: ["documentation"],
        params: versionParams,
        querystring: pageQuery,
        response: {
          200: z.object({
            items: z.array(
              about.extend({
                changes: z.object({
                  count: z.int(),
                  first: z.array(
                    z.object({ path: z.string(), change: z.enum(["added", "changed", "removed"]) }),
                  ),
                }),
              }),
            ),
            next: z.string().optional(),
          }),
        },
      },
    },
    async (request, reply) => {
      const { module, version } = await find(request, "module.read", request.params);
      allowCaching(reply, module.visibility as Visibility);
      return listDocumentation(database.prisma, version.id, request.query);
    },
  );

  app.route({
    method: ["GET", "HEAD"],
    url: `${path}/files/*`,
    config: { action: "module.download" },
    schema: {
      summary: "Download a file of a version's documentation, now or at a revision; ranges are served",
      tags: ["documentation"],
      params: versionParams.extend({ "*": z.string() }),
      querystring: revisionQuery,
    },
    handler: async (request, reply) => {
      const found = await find(request, "module.download", request.params);
      const { revision } = request.query;
      const current = found.version.documentationRevision;
      const file = await findDocumentationFile(
        database.prisma,
        found.version.id,
        revision ?? current,
        request.params["*"],
      );
      // A revision of a fixed version never changes.
      const fixed = revision !== undefined && handleOf(request.params).reference.kind === "version";
      const { module, version } = found;
      allowCaching(reply, module.visibility as Visibility, { fixed });
      return sendFile(deps, request, reply, { of: `${module.name}/${version.number}`, file });
    },
  });

  app.put(
    path,
    {
      config: { action: "module.document" },
      bodyLimit: MAX_EDIT_BYTES,
      schema: {
        summary: "Give a version another documentation: all its files, based on the current revision",
        tags: ["documentation"],
        params: versionParams,
        body: z.strictObject({
          base: number,
          files: z
            .array(
              z.strictObject({
                path: text(512),
                size: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
                digest: digestInput,
              }),
            )
            .max(MAX_DOCUMENTATION_FILES),
          message: text(1000).trim().min(1).optional(),
        }),
        response: { 200: documentation, 201: documentation },
      },
    },
    async (request, reply) => {
      const exact = exactVersion(request.params, "…/versions/3/documentation");
      const edit = { ...exact, ...request.body };
      const { module, version, created } = await editDocumentation(deps, request.principal, edit);
      return reply.code(created ? 201 : 200).send(await answer({ module, version }));
    },
  );

  function find(
    request: FastifyRequest,
    action: "module.read" | "module.download",
    params: z.infer<typeof versionParams>,
  ) {
    const { module, reference } = handleOf(params);
    return findModuleVersion(database.prisma, request.principal, action, module, reference);
  }

  async function answer(
    { module, version }: { module: Module; version: Version },
    revision?: number,
  ): Promise<z.infer<typeof documentation>> {
    const { files, ...read } = await readDocumentation(database.prisma, version, revision);
    const address = `${publicUrl()}/v1/modules/${module.name}/versions/${version.number}/documentation/files`;
    return {
      module: module.name,
      version: version.number,
      ...read,
      files: files.map((file) => ({
        ...file,
        url: `${address}/${inUrl(file.path)}?revision=${read.revision}`,
      })),
    };
  }
}
