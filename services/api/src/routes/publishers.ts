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
import { displayNameInput, pageQuery, text } from "./schemas.ts";

const publisher = z
  .object({ id: z.string(), displayName: z.string(), createdAt: z.string() })
  .meta({ id: "Publisher" });

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
