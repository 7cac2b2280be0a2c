import { randomUUID } from "node:crypto";
import { type ModuleName, problem, publisherOf, type Visibility } from "@modulehub/core";
import { blobsOpenTo, takeReferences } from "../blobs/references.ts";
import type { Database, Queries } from "../database/client.ts";
import type { Module } from "../database/generated/client.ts";
import { isForeignKeyViolation, isUniqueViolation } from "../database/query-errors.ts";
import { inTransaction } from "../database/transaction.ts";
import { recordAudit } from "../identity/audit.ts";
import type { Principal } from "../identity/principal.ts";
import { type Attempt, requireRunning } from "../jobs/transitions.ts";
import { ensureModule } from "../registry/modules.ts";
import { findPublisher } from "../registry/publishers.ts";
import { requireRoomFor } from "../registry/quota.ts";
import { deletedVersion } from "../registry/tombstones.ts";
import { type Draft, readDraft } from "./draft.ts";
import { checkFileList, type ListedFile } from "./file-list.ts";
import { hasSameContent } from "./same-content.ts";

/** How long a draft waits for its files, in milliseconds. */
export const DRAFT_LIFE = 7 * 24 * 3_600_000;

export interface DraftRequest {
  files: ListedFile[];
  version?: number | undefined;
  /** The client derived module.json, and another one may derive it otherwise. */
  derived?: boolean | undefined;
  aliases?: string[] | undefined;
  visibility?: Visibility | undefined;
  /** The job whose result it publishes; as long as the draft decides about it, nothing else does. */
  job?: Attempt | undefined;
  /** What else belongs to the transaction in which the draft comes to be. */
  also?: ((tx: Queries, draft: Draft) => Promise<void>) | undefined;
}

/**
 * Opens a draft, and makes its module if that is new. Blobs that are there already are kept for it from now
 * on. Throws as `findPublisher` does, for a bad file list, a name that can't be, `quota-exceeded`, and `version-exists` as
 * soon as it is sure.
 */
export async function openDraft(
  database: Database,
  principal: Principal,
  name: ModuleName,
  request: DraftRequest,
): Promise<Draft> {
  checkFileList(request.files);
  const attempt = () => inTransaction(database, (tx) => insertDraft(tx, principal, name, request));
  const id = await attempt().catch((error: unknown) => {
    // Someone made the module, one that clashes with it, or deleted it at the same time: look again.
    if (isUniqueViolation(error) || isForeignKeyViolation(error)) return attempt();
    throw error;
  });
  return readDraft(database.prisma, id);
}

async function insertDraft(
  tx: Queries,
  principal: Principal,
  name: ModuleName,
  request: DraftRequest,
): Promise<string> {
  if (request.job !== undefined) await requireRunning(tx, request.job);
  // By the publisher: whether the module is there is not told to those who may not publish in it.
  await findPublisher(tx, principal, "module.publish", publisherOf(name));
  const module = await ensureModule(tx, principal, name, request.visibility);
  if (request.version !== undefined) await refuseOtherContent(tx, module, request.version, request);
  const id = randomUUID();
  const digests = request.files.map(({ digest }) => digest);
  const there = await blobsOpenTo(tx, module.publisherId, digests);
  for (const file of request.files) {
    const blob = there.get(file.digest);
    if (blob !== undefined && blob.size !== file.size)
      throw problem("size-mismatch", `The bytes of ${file.digest} are ${blob.size}, not ${file.size}.`);
  }
  await requireRoomFor(tx, module.publisherId, request.files);
  const kept = [...there.values()].map((blob) => blob.id);
  await takeReferences(tx, { kind: "draft", id, publisher: module.publisherId }, kept);
  await tx.draft.create({
    data: {
      id,
      moduleId: module.id,
      state: "uploading",
      files: request.files.map(({ path, size, digest }) => ({ path, size, digest })),
      requestedVersion: request.version ?? null,
      derived: request.derived ?? false,
      aliases: [...new Set(request.aliases ?? [])],
      ...(request.job !== undefined && { jobId: request.job.id }),
      expiresAt: new Date(Date.now() + DRAFT_LIFE),
    },
  });
  const { publisherId: publisher } = module;
  const detail = { draft: id, state: "uploading" };
  await recordAudit(tx, principal, { action: "draft.write", publisher, module: name, detail });
  await request.also?.(tx, await readDraft(tx, id));
  return id;
}

/** Before anything is uploaded: a version that exists can only be published again with the same content. */
export async function refuseOtherContent(
  tx: Queries,
  module: Module,
  number: number,
  { files, derived = false }: Pick<DraftRequest, "files" | "derived">,
): Promise<void> {
  const deleted = await deletedVersion(tx, module, number);
  if (deleted !== undefined) throw deleted;
  const version = await tx.version.findUnique({
    where: { moduleId_number: { moduleId: module.id, number } },
  });
  if (version !== null && !(await hasSameContent(tx, version, { files, derived })))
    throw problem("version-exists");
}
