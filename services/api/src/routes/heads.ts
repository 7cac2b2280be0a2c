import { isAlias, MAX_VERSION, parseModuleName, problem, VISIBILITIES } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import type { Module } from "../database/generated/client.ts";
import { commitToHead, type HeadDeps } from "../heads/commit.ts";
import { listCommits } from "../heads/commit-log.ts";
import { discardHead } from "../heads/discard-head.ts";
import { describeHead, findHead, HEAD_PAGE, HEAD_STATES, readHead } from "../heads/head.ts";
import { MAX_OPERATIONS, operationSchema } from "../heads/operations.ts";
import { publishHead } from "../heads/publish-head.ts";
import { allowCaching } from "../http/caching.ts";
import { findModule } from "../registry/modules.ts";
import type { Resolver } from "../registry/resolver.ts";
import { publishedAs } from "../registry/revisions.ts";
import { sendFile } from "./files.ts";
import { digestText, moduleParams, pageQuery, problemDocument, revisionText, text } from "./schemas.ts";

/** 20,000 operations with paths of 512 bytes. */
const MAX_COMMIT_BYTES = 16_777_216;

const revisionInput = z.string().regex(/^[0-9a-f]{40}$/, "must be 40 lower-case hex digits");

const head = z
  .object({
    module: z.string(),
    revision: revisionText,
    state: z.enum(HEAD_STATES),
    version: z.int().optional().meta({ description: "The version that it is" }),
    base: z
      .int()
      .optional()
      .meta({ description: "The version that it was, or has become, before its commits" }),
    draft: z.string().optional().meta({ description: "The draft that was made of it as it is" }),
    publishAt: z
      .string()
      .optional()
      .meta({ description: "When it is published, if nothing is committed until then" }),
    changedAt: z.string().optional(),
    problems: z.array(problemDocument).optional(),
    fileCount: z.int(),
    bytes: z.int(),
    files: z.array(z.object({ path: z.string(), size: z.int(), digest: digestText })),
    next: z.string().optional(),
  })
  .meta({ id: "Head" });

const commitAnswer = z
  .object({
    revision: revisionText,
    parent: revisionText,
    createdAt: z.string(),
    author: z.string().optional(),
    message: z.string().optional(),
    version: z.int().optional(),
    documentation: z.int().optional().meta({ description: "The revision of that version's documentation" }),
  })
  .meta({ id: "Commit" });

/** A module's head: what its writers change by commits, and what becomes its next version. */
export function headRoutes(app: App, deps: AppDeps, heads: HeadDeps, resolver: Resolver): void {
  const { database } = deps;
  const { prisma } = database;
  const path = "/-/modules/:module/head";
  const describe = async (module: Module) =>
    describeHead(module, await readHead(prisma, module.id), { limit: HEAD_PAGE });

  app.get(
    path,
    {
      config: { action: "head.read" },
      schema: {
        summary: "Read a module's head: its revision, what becomes of it, and its files in pages",
        tags: ["heads"],
        params: moduleParams,
        querystring: pageQuery.extend({
          limit: z.coerce.number().int().min(1).max(HEAD_PAGE).default(HEAD_PAGE),
        }),
        response: { 200: head },
      },
    },
    async (request) => {
      const name = parseModuleName(request.params.module);
      const found = await findHead(prisma, request.principal, "head.read", name);
      return describeHead(found.module, found.head, request.query);
    },
  );

  app.delete(
    path,
    {
      config: { action: "head.write" },
      schema: {
        summary: "Throw away the commits that no version has; the head is the latest version again",
        tags: ["heads"],
        params: moduleParams,
        response: { 200: head },
      },
    },
    async (request) => {
      const name = parseModuleName(request.params.module);
      return describe(await discardHead(database, request.principal, name));
    },
  );

  app.route({
    method: ["GET", "HEAD"],
    url: `${path}/files/*`,
    config: { action: "head.read" },
    schema: {
      summary: "Download a file of the head; ranges are served",
      tags: ["heads"],
      params: moduleParams.extend({ "*": z.string() }),
    },
    handler: async (request, reply) => {
      const name = parseModuleName(request.params.module);
      const found = await findHead(prisma, request.principal, "head.read", name);
      const file = found.head.files.find((each) => each.path === request.params["*"]);
      if (file === undefined) throw problem("file-not-found", "The head has no such file.");
      allowCaching(reply, "private");
      return sendFile(deps, request, reply, { of: `the head of ${name}`, file });
    },
  });

  app.get(
    `${path}/commits`,
    {
      config: { action: "head.read" },
      schema: {
        summary: "List the commits that led to the head, newest first, and what each is published as",
        tags: ["heads"],
        params: moduleParams,
        querystring: pageQuery,
        response: { 200: z.object({ items: z.array(commitAnswer), next: z.string().optional() }) },
      },
    },
    async (request) => {
      const name = parseModuleName(request.params.module);
      const { module, head } = await findHead(prisma, request.principal, "head.read", name);
      return listCommits(prisma, module.id, head, request.query);
    },
  );

  app.post(
    `${path}/commits`,
    {
      config: { action: "head.write" },
      bodyLimit: MAX_COMMIT_BYTES,
      schema: {
        summary:
          "Commit to the head: all operations or none. Bytes are uploaded first; a new module is made on the way",
        tags: ["heads"],
        params: moduleParams,
        body: z.strictObject({
          parent: revisionInput.meta({ description: "The head's revision that the commit was made to" }),
          operations: z.array(operationSchema).max(MAX_OPERATIONS),
          message: text(2000).trim().min(1).optional(),
          visibility: z
            .enum(VISIBILITIES)
            .optional()
            .meta({ description: "Of a new module; private unless said" }),
        }),
        response: { 200: head, 201: head },
      },
    },
    async (request, reply) => {
      const name = parseModuleName(request.params.module);
      const { module, created } = await commitToHead(heads, request.principal, name, request.body);
      return reply.code(created ? 201 : 200).send(await describe(module));
    },
  );

  app.post(
    `${path}/publish`,
    {
      config: { action: "head.write" },
      schema: {
        summary:
          "Have the head published now; 202 with a draft to watch, or 200 where it is a version already",
        tags: ["heads"],
        params: moduleParams,
        body: z.strictObject({
          version: z.int().min(1).max(MAX_VERSION).optional(),
          aliases: z.array(z.string().refine(isAlias, "is not an alias that is allowed")).max(32).optional(),
        }),
        response: { 200: head, 202: head },
      },
    },
    async (request, reply) => {
      const name = parseModuleName(request.params.module);
      const { module, draft } = await resolver.changing(name, () =>
        publishHead(heads, request.principal, name, request.body),
      );
      const answer = await describe(module);
      if (draft === undefined) return answer;
      return reply
        .code(202)
        .header("location", `/v1/drafts/${draft}`)
        .send({ ...answer, draft });
    },
  );

  app.get(
    "/-/modules/:module/commits/:revision",
    {
      config: { action: "module.read" },
      schema: {
        summary: "Which version, with which of its documentation, a revision is published as",
        tags: ["versions"],
        params: moduleParams.extend({ revision: revisionInput }),
        response: {
          200: z
            .object({
              module: z.string(),
              revision: revisionText,
              version: z.int(),
              documentation: z.int(),
              digest: digestText,
              createdAt: z.string(),
            })
            .meta({ id: "PublishedRevision" }),
        },
      },
    },
    async (request) => {
      const name = parseModuleName(request.params.module);
      const module = await findModule(prisma, request.principal, "module.read", name);
      const found = await publishedAs(prisma, module.id, request.params.revision);
      return {
        module: module.name,
        revision: found.revision,
        version: found.version.number,
        documentation: found.documentationRevision,
        digest: found.version.digest,
        createdAt: found.createdAt.toISOString(),
      };
    },
  );
}
