import { contentSchema, digestSchema, INTERNAL_ROUTES, isDigest, problem } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { storedBlob } from "../blobs/references.ts";
import { parseRange } from "../http/range.ts";
import { contentOf } from "../registry/versions.ts";

/** What workers read: versions and bytes by digest, with the workers' token only. */
export function internalRoutes(app: App, { database, store }: AppDeps): void {
  const params = z.object({ digest: digestSchema });

  app.get(
    `${INTERNAL_ROUTES.contents}:digest`,
    { config: { action: "worker.read" }, schema: { hide: true, params, response: { 200: contentSchema } } },
    async (request) => contentOf(database.prisma, request.params.digest),
  );

  app.route({
    method: ["GET", "HEAD"],
    url: `${INTERNAL_ROUTES.blobs}:digest`,
    config: { action: "worker.read" },
    schema: { hide: true, params: z.object({ digest: z.string() }) },
    handler: async (request, reply) => {
      const { digest } = request.params;
      const blob = isDigest(digest) ? await storedBlob(database.prisma, digest) : undefined;
      if (blob === undefined) throw problem("blob-not-found");
      reply.header("etag", `"${blob.digest}"`).header("accept-ranges", "bytes");
      const range = parseRange(request.headers.range, blob.size);
      if (range === "unsatisfiable") {
        reply.header("content-range", `bytes */${blob.size}`);
        throw problem("range-not-satisfiable", `The blob has ${blob.size} bytes.`);
      }
      if (range !== undefined)
        reply.code(206).header("content-range", `bytes ${range.start}-${range.end}/${blob.size}`);
      reply
        .header("content-length", range === undefined ? blob.size : range.end - range.start + 1)
        .type("application/octet-stream");
      if (request.method === "HEAD") return reply.send();
      return reply.send(await store.read(blob.storageKey, blob.size, range));
    },
  });
}
