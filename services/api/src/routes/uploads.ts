import type { Readable } from "node:stream";
import { type Action, problem, problemDocumentSchema } from "@modulehub/core";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { App } from "../app.ts";
import type { Upload } from "../database/generated/client.ts";
import { type CompleteDeps, completeUpload } from "../publish/complete-upload.ts";
import { MAX_FILE_BYTES } from "../publish/file-list.ts";
import {
  cancelUpload,
  findUpload,
  openUpload,
  partSizeOf,
  partsOf,
  partUrls,
  readUpload,
  receivedParts,
  receivePart,
} from "../publish/uploads.ts";
import { digestInput, digestText, text } from "./schemas.ts";

/** How many parts' URLs one answer holds. */
const URLS = 100;

const upload = z
  .object({
    id: z.string(),
    state: z.enum(["open", "verifying", "stored", "failed", "cancelled"]),
    publisher: z.string(),
    size: z.int(),
    digest: digestText.optional(),
    partSize: z.int(),
    parts: z.array(z.object({ n: z.int(), url: z.string() })),
    received: z.array(z.int()),
    /** Why it failed; of an open one, why its verification was given up. */
    problem: problemDocumentSchema.optional(),
    expiresAt: z.string(),
  })
  .meta({ id: "Upload" });

const uploadParams = z.object({ id: z.string().max(64) });

export interface UploadRouteDeps extends CompleteDeps {
  publicUrl: () => string;
}

export async function uploadRoutes(app: App, deps: UploadRouteDeps): Promise<void> {
  const { database, publicUrl } = deps;

  app.post(
    "/v1/uploads",
    {
      config: { action: "upload.write" },
      schema: {
        summary:
          "Open an upload, or continue an open one of the same digest; its bytes are sent in numbered parts",
        tags: ["uploads"],
        body: z.strictObject({
          publisher: text(64),
          size: z.int().min(0).max(MAX_FILE_BYTES),
          digest: digestInput.optional(),
        }),
        response: { 201: upload },
      },
    },
    async (request, reply) => {
      const open = async () => describe(await openUpload(deps, request.principal, request.body));
      const opened = await open();
      // One that was to be continued, and that its store has lost, or somebody cancelled meanwhile.
      const isOver = opened.state === "failed" || opened.state === "cancelled";
      return reply.code(201).send(isOver ? await open() : opened);
    },
  );

  app.get(
    "/v1/uploads/:id",
    {
      config: { action: "upload.read" },
      schema: {
        summary: "How far it is; from a part on, which are there, and where to send those that are not",
        tags: ["uploads"],
        params: uploadParams,
        querystring: z.object({ from: z.coerce.number().int().min(1).default(1) }),
        response: { 200: upload },
      },
    },
    async (request) => describe(await find(request, "upload.read"), request.query.from),
  );

  app.delete(
    "/v1/uploads/:id",
    {
      config: { action: "upload.write" },
      schema: {
        summary: "Cancel an upload",
        tags: ["uploads"],
        params: uploadParams,
        response: { 200: upload },
      },
    },
    async (request) => {
      await cancelUpload(deps, await find(request, "upload.write"));
      return describe(await readUpload(database.prisma, request.params.id));
    },
  );

  app.post(
    "/v1/uploads/:id/complete",
    {
      config: { action: "upload.write" },
      schema: {
        summary: "Join the parts and verify their digest: at once, or while the upload is `verifying`",
        tags: ["uploads"],
        params: uploadParams,
        body: z.strictObject({ digest: digestInput }),
        response: { 200: upload, 202: upload },
      },
    },
    async (request, reply) => {
      await completeUpload(deps, await find(request, "upload.write"), request.body.digest);
      const now = await describe(await readUpload(database.prisma, request.params.id));
      return reply.code(now.state === "verifying" ? 202 : 200).send(now);
    },
  );

  await app.register(async (scope: App) => {
    // A part's bytes go to the store as they come, of whatever type the client says they are.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
    scope.put(
      "/v1/uploads/:id/parts/:n",
      {
        config: { action: "upload.write" },
        schema: {
          summary: "Send a part: exactly partSize bytes, the last one the rest",
          tags: ["uploads"],
          params: uploadParams.extend({ n: z.coerce.number().int() }),
          response: { 200: z.object({ n: z.int(), size: z.int() }) },
        },
      },
      async (request, reply) => {
        const { n } = request.params;
        const found = await find(request, "upload.write");
        const size = partSizeOf(found, n);
        const announced = request.headers["content-length"];
        if (announced !== undefined && Number(announced) !== size)
          throw problem("size-mismatch", `Part ${n} must have ${size} bytes, not ${announced}.`);
        const body = (request.body as Readable | undefined) ?? request.raw;
        await receivePart(deps, found, n, body).catch((error: unknown) => {
          // Else Node would read what more is sent to its end, if it has one.
          if (!request.raw.complete) reply.header("connection", "close");
          throw error;
        });
        return { n, size };
      },
    );
  });

  function find(request: FastifyRequest<{ Params: { id: string } }>, action: Action): Promise<Upload> {
    return findUpload(database.prisma, request.principal, action, request.params.id);
  }

  /** An upload that ends while it is looked at is told of as it ended. */
  async function describe(found: Upload, from = 1) {
    try {
      return await describeRow(found, from);
    } catch (error) {
      const now = await readUpload(database.prisma, found.id);
      if (now.state === found.state) throw error;
      return describeRow(now, from);
    }
  }

  async function describeRow(found: Upload, from: number) {
    const seen = await receivedParts(deps, found, from);
    const row = seen === "lost" ? await readUpload(database.prisma, found.id) : found;
    const received = seen === "lost" ? [] : seen;
    const there = new Set(received);
    const missing = row.state === "open" ? partsOf(row, from).filter(({ number }) => !there.has(number)) : [];
    const parts = missing.slice(0, URLS);
    const urls = await partUrls(deps, row, parts);
    return {
      id: row.id,
      state: upload.shape.state.parse(row.state),
      publisher: row.publisherId,
      size: Number(row.size),
      ...(row.digest !== null && { digest: row.digest }),
      partSize: row.partSize,
      parts: parts.map(({ number }, index) => ({
        n: number,
        url: urls?.[index] ?? `${publicUrl()}/v1/uploads/${row.id}/parts/${number}`,
      })),
      received,
      ...(row.problem !== null && { problem: problemDocumentSchema.parse(row.problem) }),
      expiresAt: row.expiresAt.toISOString(),
    };
  }
}
