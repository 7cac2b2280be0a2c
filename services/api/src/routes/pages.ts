import { problem } from "@modulehub/core";
import { ASSETS, frontPage, type ModuleList, modulePage, PAGE_HEADERS, publisherPage } from "@modulehub/web";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import type { Module, Version } from "../database/generated/client.ts";
import { wantsPage } from "../http/accept.ts";
import { allowCaching, visibilityFor } from "../http/caching.ts";
import { visitorOf } from "../http/visitor.ts";
import { countFacets } from "../registry/count-facets.ts";
import { findModules, type ModuleQuery } from "../registry/find-modules.ts";
import { readModuleView } from "../registry/module-view.ts";
import { readPublisher } from "../registry/publishers.ts";
import { moduleQuery, queryFrom } from "./module-query.ts";

/** Modules in a page's list. */
const LISTED = 50;

const cursor = z.object({ cursor: z.string().max(2048).optional() });
const searchQuery = moduleQuery.extend(cursor.shape);

/** Pages for people, at the addresses that programs use too: the front page, publishers, and what pages need. */
export function pageRoutes(app: App, { database }: AppDeps): void {
  app.get(
    "/",
    {
      config: { action: "module.list" },
      schema: { hide: true, querystring: searchQuery },
    },
    async (request, reply) => {
      if (!wantsPage(request))
        throw problem("not-found", "Here is a page for browsers; programs begin at /openapi.json.");
      const { cursor, ...given } = request.query;
      const query = queryFrom(given);
      const [modules, { values }] = await Promise.all([
        list(request, query, cursor),
        countFacets(database.prisma, request.principal, query),
      ]);
      return sendPage(request, reply, frontPage({ query: given, modules, values }, visitorOf(request)));
    },
  );

  app.get(
    "/:publisher",
    {
      config: { action: "publisher.read" },
      schema: { hide: true, params: z.object({ publisher: z.string() }), querystring: cursor },
    },
    async (request, reply) => {
      const publisher = await readPublisher(database.prisma, request.params.publisher);
      if (!wantsPage(request)) {
        allowCaching(reply, "public", { vary: "Accept, Authorization" });
        return reply.send(publisher);
      }
      const modules = await list(request, { publisher: [publisher.id] }, request.query.cursor);
      return sendPage(request, reply, publisherPage({ ...publisher, modules }, visitorOf(request)));
    },
  );

  for (const { address, contentType, bytes } of ASSETS)
    app.get(address, { config: { action: "hub.read" }, schema: { hide: true } }, async (_request, reply) =>
      reply.type(contentType).header("cache-control", "public, max-age=31536000, immutable").send(bytes),
    );

  /** A page of the modules that fit and the visitor may see, and the address of the next. */
  async function list(request: FastifyRequest, query: ModuleQuery, cursor?: string): Promise<ModuleList> {
    const page = { limit: LISTED, cursor };
    const { items, next, capped } = await findModules(database.prisma, request.principal, query, page);
    if (next === undefined) return { items, capped };
    const address = new URL(request.url, "http://hub");
    address.searchParams.delete("token");
    address.searchParams.set("cursor", next);
    return { items, capped, next: address.search };
  }
}

/** Answers with the page of a version. */
export async function sendModulePage(
  { database, store, publicUrl }: AppDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  found: { module: Module; version: Version },
): Promise<FastifyReply> {
  const view = await readModuleView(database.prisma, store, found, {
    publicUrl: publicUrl(),
    principal: request.principal,
  });
  const html = modulePage(view, visitorOf(request));
  // A visitor who signed in by cookie is named on it, and caches tell pages apart by other headers.
  const isNamed = request.principal.account !== undefined && request.headers.authorization === undefined;
  return sendPage(request, reply, html, isNamed ? "private" : view.visibility);
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
