import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { allowCaching } from "../http/caching.ts";
import {
  createPublisher,
  deletePublisher,
  listPublishers,
  readPublisher,
  renamePublisher,
} from "../registry/publishers.ts";
import { readQuota, setQuota } from "../registry/quota.ts";
import { displayNameInput, pageQuery, text } from "./schemas.ts";

const publisher = z
  .object({ id: z.string(), displayName: z.string(), createdAt: z.string() })
  .meta({ id: "Publisher" });

const quota = z
  .object({ publisher: z.string(), used: z.int(), quota: z.int().optional() })
  .meta({ id: "Quota", description: "Bytes; without `quota` there is no limit" });

const publisherParams = z.object({ publisher: z.string() });

export function publisherRoutes(app: App, { database, identity }: AppDeps): void {
  app.post(
    "/v1/publishers",
    {
      config: { action: "publisher.create" },
      schema: {
        summary: "Make a publisher, and become its owner; the admin may name another",
        tags: ["publishers"],
        body: z.strictObject({
          id: text(64),
          displayName: displayNameInput.optional(),
          owner: text(64).optional(),
        }),
        response: { 201: publisher },
      },
    },
    async (request, reply) => {
      const create = () => createPublisher(database, request.principal, request.body);
      return reply.code(201).send(await identity.changing(create));
    },
  );

  app.get(
    "/v1/publishers",
    {
      config: { action: "publisher.read" },
      schema: {
        summary: "List publishers by name",
        tags: ["publishers"],
        querystring: pageQuery,
        response: { 200: z.object({ items: z.array(publisher), next: z.string().optional() }) },
      },
    },
    async (request, reply) => {
      allowCaching(reply, "public");
      return listPublishers(database.prisma, request.query);
    },
  );

  app.get(
    "/v1/publishers/:publisher",
    {
      config: { action: "publisher.read" },
      schema: {
        summary: "Read a publisher",
        tags: ["publishers"],
        params: publisherParams,
        response: { 200: publisher },
      },
    },
    async (request, reply) => {
      allowCaching(reply, "public");
      return readPublisher(database.prisma, request.params.publisher);
    },
  );

  app.patch(
    "/v1/publishers/:publisher",
    {
      config: { action: "publisher.settings" },
      schema: {
        summary: "Change how a publisher is called on pages",
        tags: ["publishers"],
        params: publisherParams,
        body: z.strictObject({ displayName: displayNameInput }),
        response: { 200: publisher },
      },
    },
    async (request) => {
      const { displayName } = request.body;
      return renamePublisher(database, request.principal, { id: request.params.publisher, displayName });
    },
  );

  app.get(
    "/v1/publishers/:publisher/quota",
    {
      config: { action: "quota.read" },
      schema: {
        summary: "How many bytes a publisher keeps, and may keep",
        tags: ["publishers"],
        params: publisherParams,
        response: { 200: quota },
      },
    },
    async (request) => readQuota(database.prisma, request.principal, request.params.publisher),
  );

  app.put(
    "/v1/publishers/:publisher/quota",
    {
      config: { action: "quota.write" },
      schema: {
        summary: "Say how many bytes a publisher may keep; null: any number",
        tags: ["publishers"],
        params: publisherParams,
        body: z.strictObject({ bytes: z.int().min(0).max(Number.MAX_SAFE_INTEGER).nullable() }),
        response: { 200: quota },
      },
    },
    async (request) => {
      const { publisher } = request.params;
      return setQuota(database, request.principal, { publisher, bytes: request.body.bytes });
    },
  );

  app.delete(
    "/v1/publishers/:publisher",
    {
      config: { action: "publisher.delete" },
      schema: {
        summary: "Delete a publisher that has no modules; its name is never used again",
        tags: ["publishers"],
        params: publisherParams,
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      await identity.changing(() => deletePublisher(database, request.principal, request.params.publisher));
      return reply.code(204).send(null);
    },
  );
}
