import type { Visibility } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { storedBlob } from "../blobs/references.ts";
import { sendBytes } from "../http/byte-answer.ts";
import { allowCaching } from "../http/caching.ts";
import { contentTypeOf, isActiveContent } from "../http/content-type.ts";
import { findFile, findModuleVersion } from "../registry/versions.ts";
import { handleOf, versionParams } from "./schemas.ts";

/** A version's files, with ranges, ETags and HEAD. */
export function fileRoutes(app: App, { database, store }: AppDeps): void {
  app.route({
    method: ["GET", "HEAD"],
    url: "/-/modules/:module/versions/:version/files/*",
    config: { action: "module.download" },
    schema: {
      summary: "Download a file of a version; ranges are served",
      tags: ["versions"],
      params: versionParams.extend({ "*": z.string() }),
    },
    handler: async (request, reply) => {
      const { module: name, reference } = handleOf(request.params);
      const { module, version } = await findModuleVersion(
        database.prisma,
        request.principal,
        "module.download",
        name,
        reference,
      );
      const path = request.params["*"];
      const file = await findFile(database.prisma, version, path);
      allowCaching(reply, module.visibility as Visibility, {
        // A documentation file keeps its path and may change.
        fixed: (reference.kind === "version" || reference.kind === "digest") && file.role !== "doc",
      });
      reply
        .header("content-security-policy", "default-src 'none'; sandbox")
        .header("x-content-type-options", "nosniff");
      return sendBytes(request, reply, {
        etag: `"${file.digest}"`,
        size: file.size,
        noun: "file",
        headers: {
          "content-type": contentTypeOf(path),
          ...(isActiveContent(path) && { "content-disposition": "attachment" }),
        },
        read: async (range) => {
          const blob = await storedBlob(database.prisma, file.digest);
          if (blob === undefined)
            throw new Error(`${module.name}/${version.number} has lost ${file.digest}.`);
          return store.read(blob.storageKey, blob.size, range);
        },
      });
    },
  });
}
