import {
  contentSchema,
  digestSchema,
  handleMeaningSchema,
  INTERNAL_ROUTES,
  isDigest,
  parseHandle,
  problem,
} from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { storedBlob } from "../blobs/references.ts";
import { sendBytes } from "../http/byte-answer.ts";
import { allowCaching } from "../http/caching.ts";
import { underPresentName } from "../registry/module-moved.ts";
import { contentOf, findModuleVersion } from "../registry/versions.ts";

/** What workers read: versions and bytes by digest, and which digest a handle stands for; with the workers' token only. */
export function internalRoutes(app: App, { database, store }: AppDeps): void {
  const params = z.object({ digest: digestSchema });

  app.get(
    `${INTERNAL_ROUTES.contents}:digest`,
    { config: { action: "worker.read" }, schema: { hide: true, params, response: { 200: contentSchema } } },
    async (request) => contentOf(database.prisma, request.params.digest),
  );

  app.get(
    INTERNAL_ROUTES.resolve,
    {
      config: { action: "worker.read" },
      schema: {
        hide: true,
        querystring: z.object({ handle: z.string().max(512) }),
        response: { 200: handleMeaningSchema },
      },
    },
    async (request) => {
      const { module, reference } = parseHandle(request.query.handle);
      const found = await underPresentName(module, (present) =>
        findModuleVersion(database.prisma, request.principal, "worker.read", present, reference),
      );
      return handleMeaningSchema.parse({ digest: found.version.digest });
    },
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
      allowCaching(reply, "private");
      return sendBytes(request, reply, {
        etag: `"${blob.digest}"`,
        size: blob.size,
        noun: "blob",
        headers: { "content-type": "application/octet-stream" },
        read: (range) => store.read(blob.storageKey, blob.size, range),
      });
    },
  });
}
