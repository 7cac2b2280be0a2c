import type { Visibility } from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { App, AppDeps } from "../app.ts";
import type { ByteRange } from "../blobs/blob-store.ts";
import type { Pieces } from "../blobs/pieces.ts";
import { storedKeys } from "../blobs/stored-keys.ts";
import type { Module, Version } from "../database/generated/client.ts";
import { sendBytes } from "../http/byte-answer.ts";
import { allowCaching } from "../http/caching.ts";
import { type Archive, createArchiveReader, planArchive } from "../registry/archive.ts";
import { findModuleVersion, versionFiles } from "../registry/versions.ts";
import { handleOf, versionParams } from "./schemas.ts";

/** Answers with a version's archive. */
export type SendArchive = (
  request: FastifyRequest,
  reply: FastifyReply,
  found: { module: Module; version: Version },
) => Promise<FastifyReply>;

/** A version's files as one tar.gz. What comes back sends it from other addresses too. */
export function archiveRoutes(app: App, { database, store }: AppDeps): SendArchive {
  const reader = createArchiveReader(store);

  app.route({
    method: ["GET", "HEAD"],
    url: "/-/modules/:module/versions/:version/archive",
    config: { action: "module.download" },
    schema: {
      summary: "Download a version's files as a tar.gz of known length; ranges are served",
      tags: ["versions"],
      params: versionParams,
    },
    handler: async (request, reply) => {
      const { module: name, reference } = handleOf(request.params);
      return send(
        request,
        reply,
        await findModuleVersion(database.prisma, request.principal, "module.download", name, reference),
      );
    },
  });
  return send;

  async function send(
    request: FastifyRequest,
    reply: FastifyReply,
    { module, version }: { module: Module; version: Version },
  ): Promise<FastifyReply> {
    const archive = planArchive(await versionFiles(database.prisma, version));
    // Never immutable, at a fixed version neither: documentation is in it, and stays editable.
    allowCaching(reply, module.visibility as Visibility);
    reply
      .header("content-security-policy", "default-src 'none'; sandbox")
      .header("x-content-type-options", "nosniff");
    const name = `${module.name.replaceAll("/", "-")}-${version.number}.tar.gz`;
    return sendBytes(request, reply, {
      ...archive,
      noun: "archive",
      headers: {
        "content-type": "application/gzip",
        "content-disposition": `attachment; filename="${name}"`,
      },
      read: (range) => read(archive, range),
    });
  }

  async function read(archive: Archive, range: ByteRange | undefined): Promise<Pieces> {
    const digests = archive.members.flatMap(({ digest }) => digest ?? []);
    return reader.read(archive, await storedKeys(database.prisma, digests), range);
  }
}
