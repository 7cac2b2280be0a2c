import type { Visibility } from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { storedBlob } from "../blobs/references.ts";
import type { Module, Version } from "../database/generated/client.ts";
import { sendBytes } from "../http/byte-answer.ts";
import { allowCaching } from "../http/caching.ts";
import { contentTypeOf, isActiveContent } from "../http/content-type.ts";
import { findFile, findModuleVersion } from "../registry/versions.ts";
import { handleOf, versionParams } from "./schemas.ts";

/** A version's files, with ranges, ETags and HEAD. */
export function fileRoutes(app: App, deps: AppDeps): void {
  const { database } = deps;
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
      const found = await findModuleVersion(
        database.prisma,
        request.principal,
        "module.download",
        name,
        reference,
      );
      const file = await findFile(database.prisma, found.version, request.params["*"]);
      // A documentation file keeps its path and may change.
      const fixed = (reference.kind === "version" || reference.kind === "digest") && file.role !== "doc";
      return sendFile(deps, request, reply, { ...found, file, fixed });
    },
  });
}

/** Answers with a user's file, which no browser may take for a page of the hub's; `fixed` if its address never means another. */
export async function sendFile(
  { database, store }: AppDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  {
    module,
    version,
    file: { path, size, digest },
    fixed,
  }: {
    module: Module;
    version: Version;
    file: { path: string; size: number; digest: string };
    fixed: boolean;
  },
): Promise<FastifyReply> {
  allowCaching(reply, module.visibility as Visibility, { fixed });
  reply
    .header("content-security-policy", "default-src 'none'; sandbox")
    .header("x-content-type-options", "nosniff");
  return sendBytes(request, reply, {
    etag: `"${digest}"`,
    size,
    noun: "file",
    headers: {
      "content-type": contentTypeOf(path),
      ...(isActiveContent(path) && { "content-disposition": "attachment" }),
    },
    read: async (range) => {
      const blob = await storedBlob(database.prisma, digest);
      if (blob === undefined) throw new Error(`${module.name}/${version.number} has lost ${digest}.`);
      return store.read(blob.storageKey, blob.size, range);
    },
  });
}
