import {
  type FileRole,
  formatHandle,
  inspectionReportSchema,
  inUrl,
  type ModuleName,
  manifestSchema,
  parseHandle,
  problem,
  type Visibility,
} from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import type { Module, Version } from "../database/generated/client.ts";
import { isStorable } from "../database/storable.ts";
import { wantsPage } from "../http/accept.ts";
import { allowCaching } from "../http/caching.ts";
import { decodeCursor, encodeCursor } from "../registry/cursor.ts";
import { underPresentName } from "../registry/module-moved.ts";
import { findModule } from "../registry/modules.ts";
import { revisionOf } from "../registry/revisions.ts";
import { findModuleVersion, listVersions, versionFiles } from "../registry/versions.ts";
import { yankMark } from "../registry/yank-mark.ts";
import type { SendArchive } from "./archive.ts";
import { sendModulePage } from "./pages.ts";
import {
  batchingBySignature,
  digestText,
  handleOf,
  moduleParams,
  pageQuery,
  revisionText,
  versionFile,
  versionParams,
  yanked,
} from "./schemas.ts";

/** The most files that one answer of resolve lists. */
const RESOLVE_PAGE = 1000;

/** The revision of the documentation that is listed, and the path that was listed last. */
const resolvePosition = z.tuple([z.int32().min(1), z.string().refine(isStorable)]);

const versionAnswer = z
  .object({
    handle: z.string(),
    module: z.string(),
    version: z.int(),
    digest: digestText,
    revision: revisionText,
    url: z.string(),
    publishedAt: z.string(),
    yanked: yanked.optional(),
    documentation: z.int().meta({ description: "The current revision of its documentation" }),
    manifest: manifestSchema,
    files: z.array(versionFile),
    report: inspectionReportSchema,
    batching: batchingBySignature,
  })
  .meta({ id: "Version" });

export function versionRoutes(app: App, deps: AppDeps, sendArchive: SendArchive): void {
  const { database, publicUrl } = deps;

  app.get(
    "/-/modules/:module/versions",
    {
      config: { action: "module.read" },
      schema: {
        summary: "List a module's versions, highest first",
        tags: ["versions"],
        params: moduleParams,
        querystring: pageQuery,
        response: {
          200: z.object({
            items: z.array(
              z.object({
                version: z.int(),
                digest: digestText,
                publishedAt: z.string(),
                yanked: yanked.optional(),
              }),
            ),
            next: z.string().optional(),
          }),
        },
      },
    },
    async (request, reply) => {
      const { module: name } = handleOf(request.params);
      const module = await findModule(database.prisma, request.principal, "module.read", name);
      allowCaching(reply, module.visibility as Visibility);
      return listVersions(database.prisma, module.id, request.query);
    },
  );

  app.get(
    "/-/modules/:module/versions/:version",
    {
      config: { action: "module.read" },
      schema: {
        summary: "Read a version: manifest, files, inspection report",
        tags: ["versions"],
        params: versionParams,
        response: { 200: versionAnswer },
      },
    },
    async (request, reply) => {
      const { module, reference } = handleOf(request.params);
      const found = await findModuleVersion(
        database.prisma,
        request.principal,
        "module.read",
        module,
        reference,
      );
      allowCaching(reply, found.module.visibility as Visibility, { vary: "Accept, Authorization" });
      return answerVersion(found);
    },
  );

  app.get(
    "/-/handle/:handle",
    {
      config: { action: "module.read" },
      schema: {
        summary: "The handle's own URL: its version as JSON, or as a page for browsers",
        tags: ["versions"],
        params: z.object({ handle: z.string() }),
        // The word that TensorFlow Hub's clients ask for archives with.
        querystring: z.object({ "tf-hub-format": z.literal("compressed").optional() }),
        response: { 200: versionAnswer },
      },
    },
    async (request, reply) => {
      const { module, reference } = parseHandle(request.params.handle);
      const isArchive = request.query["tf-hub-format"] !== undefined;
      const found = await findModuleVersion(
        database.prisma,
        request.principal,
        isArchive ? "module.download" : "module.read",
        module,
        reference,
      );
      if (isArchive) return sendArchive(request, reply, found);
      if (wantsPage(request)) return sendModulePage(deps, request, reply, found);
      allowCaching(reply, found.module.visibility as Visibility, { vary: "Accept, Authorization" });
      return answerVersion(found);
    },
  );

  app.get(
    "/v1/resolve",
    {
      config: { action: "module.read" },
      schema: {
        summary: "What a handle means: exact version, digest and files",
        tags: ["versions"],
        querystring: z.object({ handle: z.string().max(512), cursor: z.string().max(2048).optional() }),
        response: {
          200: z.object({
            handle: z.string(),
            module: z.string(),
            version: z.int(),
            digest: digestText,
            revision: revisionText,
            url: z.string(),
            yanked: yanked.optional(),
            files: z.array(
              z.object({ path: z.string(), size: z.int(), digest: digestText, url: z.string() }),
            ),
            next: z.string().optional(),
          }),
        },
      },
    },
    async (request, reply) => {
      const { handle, cursor } = request.query;
      const { module: name, reference } = parseHandle(handle);
      const { module, version: current } = await underPresentName(name, (present) =>
        findModuleVersion(database.prisma, request.principal, "module.read", present, reference),
      );
      const { version, after } = positionOf(current, cursor);
      const files = await versionFiles(database.prisma, version, { after, limit: RESOLVE_PAGE + 1 });
      const page = files.slice(0, RESOLVE_PAGE);
      const { handle: exact, url } = addressOf(module, version);
      allowCaching(reply, module.visibility as Visibility);
      return {
        handle: exact,
        module: module.name,
        version: version.number,
        digest: version.digest,
        revision: await revisionOf(database.prisma, version),
        url,
        ...yankMark(version),
        files: page.map(({ role, ...file }) => ({
          ...file,
          url: fileAddress(module, version, file.path, role),
        })),
        ...(files.length > RESOLVE_PAGE && {
          next: encodeCursor([version.documentationRevision, page.at(-1)!.path]),
        }),
      };
    },
  );

  function addressOf(module: Module, version: Version): { handle: string; url: string } {
    const reference = { kind: "version", version: version.number } as const;
    const handle = formatHandle({ module: module.name as ModuleName, reference });
    return { handle, url: `${publicUrl()}/${handle}` };
  }

  /** Where the very bytes are that were listed: of documentation, which may be edited meanwhile, at its revision. */
  function fileAddress(module: Module, version: Version, path: string, role: FileRole): string {
    const address = `${publicUrl()}/v1/modules/${module.name}/versions/${version.number}`;
    return role === "doc"
      ? `${address}/documentation/files/${inUrl(path)}?revision=${version.documentationRevision}`
      : `${address}/files/${inUrl(path)}`;
  }

  async function answerVersion({ module, version }: { module: Module; version: Version }) {
    const { handle, url } = addressOf(module, version);
    return {
      handle,
      module: module.name,
      version: version.number,
      digest: version.digest,
      revision: await revisionOf(database.prisma, version),
      url,
      documentation: version.documentationRevision,
      publishedAt: version.publishedAt.toISOString(),
      ...yankMark(version),
      manifest: manifestSchema.parse(version.manifest),
      files: await versionFiles(database.prisma, version),
      report: inspectionReportSchema.parse(version.report),
      batching: batchingBySignature.parse(version.batching),
    };
  }
}

/** Where a page of resolve begins: with the documentation as the first page had it, though it was edited since. */
function positionOf(version: Version, cursor: string | undefined): { version: Version; after: string } {
  if (cursor === undefined) return { version, after: "" };
  const [documentationRevision, after] = decodeCursor(resolvePosition, cursor);
  if (documentationRevision > version.documentationRevision)
    throw problem("invalid-request", "The cursor is of another list; begin this one again.");
  return { version: { ...version, documentationRevision }, after };
}
