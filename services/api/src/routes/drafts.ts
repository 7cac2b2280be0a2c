import type { ServerResponse } from "node:http";
import { isAlias, VISIBILITIES } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import type { JobQueue } from "../jobs/job-queue.ts";
import { DRAFT_STATES, describeDraft, isEndState, readDraft } from "../publish/draft.ts";
import type { DraftEvents } from "../publish/draft-events.ts";
import { fileListSchema } from "../publish/file-list.ts";
import { openDraft } from "../publish/open-draft.ts";
import { cancelDraft, startVerifying } from "../publish/transitions.ts";
import { digestText, handleOf, moduleParams, problemDocument } from "./schemas.ts";

/** 10,000 files with paths of 512 bytes. */
const MAX_DRAFT_BYTES = 8_388_608;

/** How often a watched draft is looked at, in case another process changes it, in milliseconds. */
const LOOK_AGAIN = 1_000;

/** How often watchers hear something, so that proxies keep the connection and one that is dead is noticed. */
const HEARTBEAT = 15_000;

const draft = z
  .object({
    id: z.string(),
    state: z.enum(DRAFT_STATES),
    module: z.string(),
    requestedVersion: z.int().optional(),
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
          version: z.int().min(1).max(999_999_999).optional(),
          aliases: z.array(z.string().refine(isAlias, "is not an alias that is allowed")).max(32).optional(),
          visibility: z.enum(VISIBILITIES).optional(),
        }),
        response: { 201: draft },
      },
    },
    async (request, reply) => {
      const { module } = handleOf(request.params);
      const opened = await openDraft(database, module, request.body);
      return reply.code(201).send(await describeDraft(database.prisma, opened));
    },
  );

  app.get(
    "/v1/drafts/:id",
    {
      config: { action: "draft.read" },
      schema: { summary: "Read a draft", tags: ["drafts"], params: draftParams, response: { 200: draft } },
    },
    async (request) => describe(request.params.id),
  );

  app.delete(
    "/v1/drafts/:id",
    {
      config: { action: "draft.write" },
      schema: { summary: "Cancel a draft", tags: ["drafts"], params: draftParams, response: { 200: draft } },
    },
    async (request) => {
      await cancelDraft(database, request.params.id);
      events.tell(request.params.id, { kind: "changed" });
      return describe(request.params.id);
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
      await startVerifying(database, jobs, id);
      events.tell(id, { kind: "changed" });
      return reply
        .code(202)
        .header("location", `/v1/drafts/${id}`)
        .send(await describe(id));
    },
  );

  const open = new Set<ServerResponse>();
  app.addHook("preClose", async () => {
    for (const stream of open) stream.end();
  });

  app.get(
    "/v1/drafts/:id/events",
    {
      exposeHeadRoute: false,
      config: { action: "draft.read" },
      schema: {
        summary:
          "Server-sent events until the draft has ended: `state` with the draft, `progress` with a step",
        tags: ["drafts"],
        params: draftParams,
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      let last = await describe(id);
      reply.hijack();
      const stream = reply.raw;
      stream.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-request-id": request.id,
        "x-accel-buffering": "no",
      });
      open.add(stream);
      const say = (event: string, data: unknown) =>
        stream.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
      say("state", last);
      await new Promise<void>((resolve) => {
        let looking = Promise.resolve();
        const look = () => {
          looking = looking.then(lookOnce).catch((err: unknown) => {
            request.log.error({ err }, "a draft's events broke off");
            resolve();
          });
        };
        const lookOnce = async () => {
          const { updatedAt, state } = await readDraft(database.prisma, id);
          if (state !== last.state || updatedAt.toISOString() !== last.updatedAt) {
            last = await describe(id);
            say("state", last);
          }
          if (isEndState(last.state)) resolve();
        };
        const timer = setInterval(look, LOOK_AGAIN);
        const heartbeat = setInterval(() => stream.write(":\n\n"), HEARTBEAT);
        const unwatch = events.watch(id, (event) =>
          event.kind === "changed" ? look() : say("progress", { step: event.step }),
        );
        stream.on("close", resolve);
        stream.on("close", () => {
          clearInterval(timer);
          clearInterval(heartbeat);
          unwatch();
          open.delete(stream);
        });
        look();
      });
      stream.end();
    },
  );
}
