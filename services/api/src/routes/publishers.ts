import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { createPublisher, readPublisher } from "../registry/publishers.ts";
import { text } from "./schemas.ts";

const publisher = z
  .object({ id: z.string(), displayName: z.string(), createdAt: z.string() })
  .meta({ id: "Publisher" });

export function publisherRoutes(app: App, { database }: AppDeps): void {
  app.post(
    "/v1/publishers",
    {
      config: { action: "publisher.create" },
      schema: {
        summary: "Make a publisher",
        tags: ["publishers"],
        body: z.strictObject({
          id: text(64),
          displayName: text(200, 1).optional(),
        }),
        response: { 201: publisher },
      },
    },
    async (request, reply) => {
      const { id, displayName } = request.body;
      return reply.code(201).send(await createPublisher(database.prisma, id, displayName));
    },
  );

  app.get(
    "/v1/publishers/:publisher",
    {
      config: { action: "publisher.read" },
      schema: {
        summary: "Read a publisher",
        tags: ["publishers"],
        params: z.object({ publisher: z.string() }),
        response: { 200: publisher },
      },
    },
    async (request) => readPublisher(database.prisma, request.params.publisher),
  );
}
