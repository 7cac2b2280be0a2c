import { isAlias, MAX_VERSION, VISIBILITIES } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import type { JobQueue } from "../jobs/job-queue.ts";
import { DRAFT_STATES, describeDraft, findDraft, readDraft } from "../publish/draft.ts";
import type { DraftEvents } from "../publish/draft-events.ts";
import { fileListSchema } from "../publish/file-list.ts";
import { listDrafts } from "../publish/list-drafts.ts";
import { openDraft } from "../publish/open-draft.ts";
import { cancelDraft, startVerifying } from "../publish/transitions.ts";
import { draftEventRoutes } from "./draft-events.ts";
import {
  digestText,
  handleOf,
  moduleParams,
  pageQuery,
  problemDocument,
  revisionText,
  text,
} from "./schemas.ts";

/** 10,000 files with paths of 512 bytes. */
const MAX_DRAFT_BYTES = 8_388_608;

const draft = z
  .object({
    id: z.string(),
    state: z.enum(DRAFT_STATES),
    module: z.string(),
    requestedVersion: z.int().optional(),
    revision: revisionText.optional().meta({ description: "The commit of the head that it is made of" }),
    missing: z.array(digestText),
    version: z.int().optional(),
    handle: z.string().optional(),
    digest: digestText.optional(),
    problems: z.array(problemDocument).optional(),
    createdAt: z.string(),
    updatedAt: z.string(),
    expiresAt: z.string(),
  })
  .meta({ id: "Draft" });

const listedDraft = z
  .object({
    id: z.string(),
    state: z.enum(DRAFT_STATES),
    module: z.string(),
    requestedVersion: z.int().optional(),
    version: z.int().optional(),
    digest: digestText.optional(),
    files: z.int(),
    bytes: z.int(),
    problems: z.array(z.string()),
    createdAt: z.string(),
    updatedAt: z.string(),
    expiresAt: z.string(),
  })
  .meta({ id: "ListedDraft", description: "A draft in a list: its problems by their codes." });

const draftParams = z.object({ id: z.string().max(64) });

export function draftRoutes(app: App, deps: AppDeps, jobs: JobQueue, events: DraftEvents): void {
  const { database } = deps;
  const describe = async (id: string) => describeDraft(database.prisma, await readDraft(database.prisma, id));

  app.post(
    "/-/modules/:module/drafts",
    {
      config: { action: "module.publish" },
      bodyLimit: MAX_DRAFT_BYTES,
      schema: {
        summary: "Open a draft of a version; the answer says which blobs are missing",
        tags: ["drafts"],
        params: moduleParams,
        body: z.strictObject({
          files: fileListSchema,
          version: z.int().min(1).max(MAX_VERSION).optional(),
          derived: z
            .boolean()
            .optional()
            .meta({ description: "The client derived module.json; another one may derive it otherwise" }),
          aliases: z.array(z.string().refine(isAlias, "is not an alias that is allowed")).max(32).optional(),
          visibility: z.enum(VISIBILITIES).optional(),
        }),
        response: { 201: draft },
      },
    },
    async (request, reply) => {
      const { module } = handleOf(request.params);
      const opened = await openDraft(database, request.principal, module, request.body);
      return reply.code(201).send(await describeDraft(database.prisma, opened));
    },
  );

  app.get(
    "/v1/drafts",
    {
      config: { action: "draft.read" },
      schema: {
        summary: "List the drafts of modules that the token may write, newest first",
        tags: ["drafts"],
        querystring: pageQuery.extend({
          module: text(128).optional(),
          state: z.enum(DRAFT_STATES).optional(),
        }),
        response: { 200: z.object({ items: z.array(listedDraft), next: z.string().optional() }) },
      },
    },
    async (request) => listDrafts(database.prisma, request.principal, request.query),
  );

  app.get(
    "/v1/drafts/:id",
    {
      config: { action: "draft.read" },
      schema: { summary: "Read a draft", tags: ["drafts"], params: draftParams, response: { 200: draft } },
    },
    async (request) => {
      const { id } = request.params;
      return describeDraft(
        database.prisma,
        await findDraft(database.prisma, request.principal, "draft.read", id),
      );
    },
  );

  app.delete(
    "/v1/drafts/:id",
    {
      config: { action: "draft.write" },
      schema: { summary: "Cancel a draft", tags: ["drafts"], params: draftParams, response: { 200: draft } },
    },
    async (request) => {
      const { id } = request.params;
      await findDraft(database.prisma, request.principal, "draft.write", id);
      await cancelDraft(database, request.principal, id);
      events.tell(id, { kind: "changed" });
      return describe(id);
    },
  );

  app.post(
    "/v1/drafts/:id/publish",
    {
      config: { action: "draft.write" },
      schema: {
        summary: "Have a draft verified and published; progress comes as events",
        tags: ["drafts"],
        params: draftParams,
        response: { 202: draft },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      await findDraft(database.prisma, request.principal, "draft.write", id);
      await startVerifying(database, jobs, request.principal, id);
      events.tell(id, { kind: "changed" });
      return reply
        .code(202)
        .header("location", `/v1/drafts/${id}`)
        .send(await describe(id));
    },
  );

  draftEventRoutes(app, deps, events, (principal, id) =>
    findDraft(database.prisma, principal, "draft.read", id),
  );
}
