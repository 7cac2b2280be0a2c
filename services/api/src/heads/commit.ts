import { hash } from "node:crypto";
import {
  canonicalJson,
  EMPTY_REVISION,
  isDocumentation,
  type ModuleName,
  manifestPaths,
  manifestSchema,
  problem,
  publisherOf,
  type Visibility,
} from "@modulehub/core";
import type { BlobStore } from "../blobs/blob-store.ts";
import { dropOtherReferences, takeReferences } from "../blobs/references.ts";
import type { Database, Queries } from "../database/client.ts";
import type { Module, Version } from "../database/generated/client.ts";
import { isForeignKeyViolation, isUniqueViolation } from "../database/query-errors.ts";
import { inTransaction } from "../database/transaction.ts";
import { recordAudit } from "../identity/audit.ts";
import type { Principal } from "../identity/principal.ts";
import type { JobQueue } from "../jobs/job-queue.ts";
import type { ListedFile } from "../publish/file-list.ts";
import { requireBlobs } from "../publish/require-blobs.ts";
import { changesBetween } from "../registry/documentation.ts";
import { checkAmount, writeDocumentation } from "../registry/edit-documentation.ts";
import { ensureModule } from "../registry/modules.ts";
import { findPublisher } from "../registry/publishers.ts";
import { requireRoomFor } from "../registry/quota.ts";
import { addRevision, revisionOf } from "../registry/revisions.ts";
import { type Head, hasGraph, readHead } from "./head.ts";
import { CardNeeded, cardOf, type KnownCard, withCard } from "./known-card.ts";
import { applyOperations, changedPaths, type Operation } from "./operations.ts";

export interface HeadDeps {
  database: Database;
  store: BlobStore;
  jobs: JobQueue;
  /** How long a head is left alone before it becomes a draft by itself, in seconds. */
  quiet: number;
}

/** The quiet after the last commit, in seconds: the commits of one push follow each other faster. */
export const HEAD_QUIET = 30;

export interface CommitRequest {
  /** The revision that the commit was made to; without one it is made to whatever the head is. */
  parent?: string | undefined;
  operations: readonly Operation[];
  message?: string | undefined;
  /** Of a module that this commit makes. */
  visibility?: Visibility | undefined;
}

export interface Commit {
  module: Module;
  revision: string;
  /** False where nothing was changed, or where it was made before. */
  created: boolean;
}

/**
 * Changes a module's head, and makes the module if it is new: the whole commit or nothing. What is documentation of
 * the version that the head is edits that version's documentation at once. The last commit sent again is a success
 * again. Throws `head-conflict` where the head has moved on, `blobs-missing` with every file whose bytes are not
 * there, `invalid-request`, `size-mismatch`, `documentation-too-large`, `quota-exceeded`, and as `findPublisher` and `ensureModule` do.
 */
export async function commitToHead(
  deps: HeadDeps,
  principal: Principal,
  name: ModuleName,
  request: CommitRequest,
): Promise<Commit> {
  // Before anything is locked: who may not change a module can't make others wait for it.
  await findPublisher(deps.database.prisma, principal, "head.write", publisherOf(name));
  const attempt = () =>
    withCard(deps, (known) =>
      inTransaction(deps.database, (tx) => makeCommit(tx, deps, principal, name, request, known)),
    );
  return attempt().catch((error: unknown) => {
    // Someone made the module, one that clashes with it, or deleted it at the same time: look again.
    if (isUniqueViolation(error) || isForeignKeyViolation(error)) return attempt();
    throw error;
  });
}

async function makeCommit(
  tx: Queries,
  deps: HeadDeps,
  principal: Principal,
  name: ModuleName,
  request: CommitRequest,
  known: KnownCard | undefined,
): Promise<Commit | CardNeeded> {
  await findPublisher(tx, principal, "head.write", publisherOf(name));
  await tx.$queryRaw`SELECT 1 FROM module WHERE name = ${name} FOR NO KEY UPDATE`;
  const module = await ensureModule(tx, principal, name, request.visibility);
  const head = await readHead(tx, module.id);
  const digest = requestDigest(request);
  if (head.kind !== "empty" && (await isRequest(tx, module.id, head.revision, digest)))
    return { module, revision: head.revision, created: false };
  await checkParent(tx, module.id, head, request.parent);
  const files = applyOperations(head.files, request.operations);
  const changed = changedPaths(head.files, files);
  if (changed.length === 0) return { module, revision: head.revision, created: false };
  const paths = new Set(changed);
  const put = files.filter(({ path }) => paths.has(path));
  await requireBlobs(tx, module.publisherId, put);
  await requireRoomFor(tx, module.publisherId, put);
  const { message } = request;
  const commit = { parent: head.revision, request: digest, message, author: principal.account };
  if (head.kind === "version") {
    const documentation = documentationAfter(head.version, files, changed);
    if (documentation !== undefined) {
      const card = cardOf(files, known);
      if (card instanceof CardNeeded) return card;
      checkAmount(documentation);
      const before = documentationAfter(head.version, head.files, []) ?? [];
      const changes = changesBetween(before, documentation);
      const change = { module, version: head.version, files: documentation, card, changes, message, commit };
      const version = await writeDocumentation(tx, principal, change);
      return { module, revision: await revisionOf(tx, version), created: true };
    }
  }
  const revision = await addRevision(tx, module.id, files, commit);
  await moveHead(tx, deps, principal, { module, head, revision, files });
  await recordAudit(tx, principal, {
    action: "head.write",
    publisher: module.publisherId,
    module: module.name,
    detail: { revision, changed: changed.length, ...(message !== undefined && { message }) },
  });
  await keepFiles(tx, module, files);
  return { module, revision, created: true };
}

const requestDigest = ({ parent, operations, message }: CommitRequest): string =>
  hash("sha256", canonicalJson({ parent: parent ?? null, operations, message: message ?? null }));

async function isRequest(queries: Queries, moduleId: number, revision: string, request: string) {
  const row = await queries.revision.findUnique({
    where: { moduleId_revision: { moduleId, revision } },
    select: { request: true },
  });
  return row?.request === request;
}

/** A commit may name the head by every revision that means it: the one before module.json was derived, too. */
async function checkParent(
  queries: Queries,
  moduleId: number,
  head: Head,
  parent: string | undefined,
): Promise<void> {
  if (parent === undefined || parent === head.revision) return;
  if (head.kind === "version") {
    const { id: versionId, documentationRevision } = head.version;
    const meant = await queries.revision.findFirst({
      where: { moduleId, revision: parent, versionId, documentationRevision },
    });
    if (meant !== null) return;
  }
  const now = head.revision === EMPTY_REVISION ? `${head.revision}, which is no commit yet` : head.revision;
  throw problem("head-conflict", `The head is at ${now}, not at ${parent}.`, {
    errors: [{ path: "parent", message: head.revision }],
  });
}

/** The documentation among some files of a version; undefined where anything else was changed. */
function documentationAfter(
  version: Version,
  files: readonly ListedFile[],
  changed: readonly string[],
): ListedFile[] | undefined {
  const used = manifestPaths(manifestSchema.parse(version.manifest));
  if (!changed.every((path) => isDocumentation(path, used))) return undefined;
  return files.filter(({ path }) => isDocumentation(path, used));
}

/** Writes the head as it is from now on, and has it published when it was left alone for a while. */
async function moveHead(
  tx: Queries,
  { jobs, quiet }: HeadDeps,
  { account, tokenId, requestId }: Principal,
  { module, head, revision, files }: { module: Module; head: Head; revision: string; files: ListedFile[] },
): Promise<void> {
  const publishAt = hasGraph(files) ? new Date(Date.now() + quiet * 1_000) : null;
  const row = {
    revision,
    files: files.map(({ path, size, digest }) => ({ path, size, digest })),
    publishAt,
    problems: [],
    askedBy: { account, tokenId, requestId },
    changedAt: new Date(),
  };
  const base = head.kind === "version" ? head.version.number : null;
  await tx.head.upsert({
    where: { moduleId: module.id },
    create: { moduleId: module.id, base, ...row },
    update: row,
  });
  if (publishAt !== null) await jobs.sendHead(tx, { moduleId: module.id, revision }, publishAt);
}

/** Keeps the bytes of a head's files alive, and lets go of those that are no longer among them. */
async function keepFiles(
  tx: Queries,
  { id, publisherId: publisher }: Module,
  files: readonly ListedFile[],
): Promise<void> {
  const holder = { kind: "head", id: String(id), publisher } as const;
  const digests = [...new Set(files.map(({ digest }) => digest))];
  const rows = await tx.$queryRaw<{ id: number }[]>`
    SELECT id FROM blob WHERE state = 'stored' AND digest = ANY(${digests}::text[])`;
  const ids = rows.map((row) => row.id);
  const kept = await takeReferences(tx, holder, ids);
  await dropOtherReferences(tx, holder, ids);
  if (kept.size !== digests.length) throw problem("blobs-missing", "Some bytes are gone; send them again.");
}
