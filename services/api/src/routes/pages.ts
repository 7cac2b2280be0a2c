import { problem } from "@modulehub/core";
import { ASSETS, frontPage, type ModuleList, modulePage, PAGE_HEADERS, publisherPage } from "@modulehub/web";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import type { Module, Version } from "../database/generated/client.ts";
import { wantsPage } from "../http/accept.ts";
import { allowCaching, visibilityFor } from "../http/caching.ts";
import { readModuleView } from "../registry/module-view.ts";
import { listModules } from "../registry/modules.ts";
import { readPublisher } from "../registry/publishers.ts";
import { text } from "./schemas.ts";

/** Modules in a page's list. */
const LISTED = 50;

const listQuery = z.object({ q: text(200).default(""), cursor: z.string().max(2048).optional() });

/** Pages for people, at the addresses that programs use too: the front page, publishers, and what pages need. */
export function pageRoutes(app: App, { database }: AppDeps): void {
  app.get(
    "/",
    {
      config: { action: "module.list" },
      schema: { hide: true, querystring: listQuery },
    },
    async (request, reply) => {
      if (!wantsPage(request))
        throw problem("not-found", "Here is a page for browsers; programs begin at /openapi.json.");
      const { q: query } = request.query;
      return sendPage(request, reply, frontPage({ query, modules: await list(request, { query }) }));
    },
  );

  app.get(
    "/:publisher",
    {
      config: { action: "publisher.read" },
      schema: { hide: true, params: z.object({ publisher: z.string() }), querystring: listQuery },
    },
    async (request, reply) => {
      const publisher = await readPublisher(database.prisma, request.params.publisher);
      if (!wantsPage(request)) {
        allowCaching(reply, "public", { vary: "Accept, Authorization" });
        return reply.send(publisher);
      }
      const modules = await list(request, { publisher: publisher.id });
      return sendPage(request, reply, publisherPage({ ...publisher, modules }));
    },
  );

  for (const { address, contentType, bytes } of ASSETS)
    app.get(address, { config: { action: "hub.read" }, schema: { hide: true } }, async (_request, reply) =>
      reply.type(contentType).header("cache-control", "public, max-age=31536000, immutable").send(bytes),
    );

  /** A page of the modules that the visitor may see, and the address of the next. */
  async function list(
    request: FastifyRequest<{ Querystring: z.infer<typeof listQuery> }>,
    filter: { query?: string; publisher?: string },
  ): Promise<ModuleList> {
    const { cursor } = request.query;
    const page = { limit: LISTED, cursor, ...filter };
    const { items, next } = await listModules(database.prisma, request.principal, page);
    if (next === undefined) return { items };
    const query = new URLSearchParams({ ...(filter.query && { q: filter.query }), cursor: next });
    return { items, next: `?${query}` };
  }
}

/** Answers with the page of a version. */
export async function sendModulePage(
  { database, store, publicUrl }: AppDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  found: { module: Module; version: Version },
): Promise<FastifyReply> {
  const view = await readModuleView(database.prisma, store, found, publicUrl());
  return sendPage(request, reply, modulePage(view), view.visibility);
}

/** Pages are asked for again each time, and sent again only if they have changed. */
function sendPage(
  request: FastifyRequest,
  reply: FastifyReply,
  html: string,
  shown = visibilityFor(request.principal),
): FastifyReply {
  allowCaching(reply, shown, { vary: "Accept, Authorization" });
  return reply
    .headers(PAGE_HEADERS)
    .serializer((body: string) => body)
    .send(html);
}
