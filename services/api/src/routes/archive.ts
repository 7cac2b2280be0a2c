import { Readable } from "node:stream";
import { problem } from "@modulehub/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { App, AppDeps } from "../app.ts";
import type { ByteRange } from "../blobs/blob-store.ts";
import { storedKeys } from "../blobs/stored-keys.ts";
import type { Module, Version } from "../database/generated/client.ts";
import { isKnown } from "../http/accept.ts";
import { parseRange } from "../http/range.ts";
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
    const archive = planArchive(await versionFiles(database.prisma, version.id));
    reply
      .header("accept-ranges", "bytes")
      .header("content-type", "application/gzip")
      .header("content-security-policy", "default-src 'none'; sandbox")
      .header("x-content-type-options", "nosniff")
      .header("vary", "Authorization")
      // Never immutable, at a fixed version neither: documentation is in it, and stays editable.
      .header("cache-control", module.visibility === "private" ? "private, no-store" : "no-cache");
    if (isKnown(request, reply, archive.etag)) return reply.code(304).send();
    const { "if-range": ifRange, range: wanted } = request.headers;
    const range =
      ifRange === undefined || ifRange === archive.etag ? parseRange(wanted, archive.size) : undefined;
    if (range === "unsatisfiable") {
      reply.header("content-range", `bytes */${archive.size}`);
      throw problem("range-not-satisfiable", `The archive has ${archive.size} bytes.`);
    }
    // What only an archive may have is said when it is certain that one follows.
    const body = request.method === "HEAD" ? emptyBody() : await read(archive, range);
    if (range !== undefined)
      reply.code(206).header("content-range", `bytes ${range.start}-${range.end}/${archive.size}`);
    const name = `${module.name.replaceAll("/", "-")}-${version.number}.tar.gz`;
    return reply
      .header("content-disposition", `attachment; filename="${name}"`)
      .header("content-length", range === undefined ? archive.size : range.end - range.start + 1)
      .send(body);
  }

  async function read(archive: Archive, range: ByteRange | undefined): Promise<Readable> {
    const digests = archive.members.flatMap(({ digest }) => digest ?? []);
    return reader.read(archive, await storedKeys(database.prisma, digests), range);
  }
}

/** The body of an answer to HEAD. Of no body at all, Fastify's own HEAD routes say that its length is 0. */
const emptyBody = (): Readable => Readable.from([]);
