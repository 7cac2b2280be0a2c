import type { Visibility } from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { storedBlob } from "../blobs/references.ts";
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
      allowCaching(reply, found.module.visibility as Visibility, { fixed });
      const of = `${found.module.name}/${found.version.number}`;
      return sendFile(deps, request, reply, { of, file });
    },
  });
}

/** Answers with a user's file, which no browser may take for a page of the hub's; `of` says in the log whose it is. */
export async function sendFile(
  { database, store }: AppDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  { of, file: { path, size, digest } }: { of: string; file: { path: string; size: number; digest: string } },
): Promise<FastifyReply> {
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
      if (blob === undefined) throw new Error(`${of} has lost ${digest}.`);
      return store.read(blob.storageKey, blob.size, range);
    },
  });
}
