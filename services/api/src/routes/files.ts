import { problem, type Visibility } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { storedBlob } from "../blobs/references.ts";
import { contentTypeOf, isActiveContent } from "../http/content-type.ts";
import { parseRange } from "../http/range.ts";
import { findModuleVersion } from "../registry/versions.ts";
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
      const file = await database.prisma.versionFile.findUnique({
        where: { versionId_path: { versionId: version.id, path } },
      });
      if (file === null) throw problem("file-not-found");
      const etag = `"${file.digest}"`;
      const size = Number(file.size);
      reply
        .header("etag", etag)
        .header("accept-ranges", "bytes")
        .header("content-type", contentTypeOf(path))
        .header("content-security-policy", "default-src 'none'; sandbox")
        .header("x-content-type-options", "nosniff")
        .header("vary", "Authorization")
        .header(
          "cache-control",
          cacheControl(module.visibility as Visibility, {
            // A documentation file keeps its path and may change.
            fixed: (reference.kind === "version" || reference.kind === "digest") && file.role !== "doc",
          }),
        );
      if (isActiveContent(path)) reply.header("content-disposition", "attachment");
      const { "if-none-match": known, "if-range": ifRange, range: wanted } = request.headers;
      if (known !== undefined && (known === "*" || known.split(/\s*,\s*/).includes(etag)))
        return reply.code(304).send();
      const range = ifRange === undefined || ifRange === etag ? parseRange(wanted, size) : undefined;
      if (range === "unsatisfiable") {
        reply.header("content-range", `bytes */${size}`);
        throw problem("range-not-satisfiable", `The file has ${size} bytes.`);
      }
      if (range !== undefined)
        reply.code(206).header("content-range", `bytes ${range.start}-${range.end}/${size}`);
      reply.header("content-length", range === undefined ? size : range.end - range.start + 1);
      if (request.method === "HEAD") return reply.send();
      const blob = await storedBlob(database.prisma, file.digest);
      if (blob === undefined) throw new Error(`${module.name}/${version.number} has lost ${file.digest}.`);
      return reply.send(await store.read(blob.storageKey, blob.size, range));
    },
  });
}

function cacheControl(visibility: Visibility, { fixed }: { fixed: boolean }): string {
  if (visibility === "private") return "private, no-store";
  return fixed ? "public, max-age=31536000, immutable" : "no-cache";
}
