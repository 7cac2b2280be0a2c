import {
  type Batching,
  type Digest,
  fileRole,
  type InspectionReport,
  isDocumentation,
  MAX_VERSION,
  type Manifest,
  manifestPaths,
  type ProblemDocument,
  type ProblemError,
  problem,
} from "@modulehub/core";
import { dropReferences, takeReferences } from "../blobs/references.ts";
import type { Database, Queries } from "../database/client.ts";
import { storableValue } from "../database/storable.ts";
import { inTransaction } from "../database/transaction.ts";
import { settleHead } from "../heads/settle-head.ts";
import { type Actor, recordAudit } from "../identity/audit.ts";
import { publishedBy, refuseLineage, unpublishedBy } from "../jobs/draft-of-job.ts";
import type { JobQueue } from "../jobs/job-queue.ts";
import { moveAliases } from "../registry/aliases.ts";
import type { StoredCard } from "../registry/card.ts";
import { changesBetween, insertDocumentation } from "../registry/documentation.ts";
import { refreshListing } from "../registry/listing.ts";
import { addVersionRevision, meanVersion } from "../registry/revisions.ts";
import { deletedVersion } from "../registry/tombstones.ts";
import { type Draft, type DraftState, isEndState, readDraft } from "./draft.ts";
import { requireBlobs } from "./require-blobs.ts";
import { hasSameContent } from "./same-content.ts";

/**
 * The transitions of a draft, one function each: every one is a transaction that locks the draft's row, asks
 * whether its state allows it, and changes all that belongs together. Those that a job makes return false,
 * and change nothing, where the draft has moved on meanwhile.
 */
async function transition<T>(
  database: Database,
  id: string,
  work: (tx: Queries, draft: Draft) => Promise<T>,
): Promise<T> {
  const run = async (tx: Queries) => {
    await tx.$queryRaw`SELECT 1 FROM draft WHERE id = ${id} FOR UPDATE`;
    return work(tx, await readDraft(tx, id));
  };
  return inTransaction(database, run);
}

/** uploading | failed → verifying, with the job that verifies. Throws `blobs-missing` or `draft-state`. */
export const startVerifying = (database: Database, jobs: JobQueue, actor: Actor, id: string): Promise<void> =>
  transition(database, id, (tx, draft) => beginVerifying(tx, jobs, actor, draft));

/** The same as part of a transaction that holds the draft's lock, or has just made it. */
export async function beginVerifying(
  tx: Queries,
  jobs: JobQueue,
  { account, tokenId, requestId }: Actor,
  { id, state, publisher, files }: Pick<Draft, "id" | "state" | "publisher" | "files">,
): Promise<void> {
  // Asked for twice, or answered before: what was wanted is under way.
  if (state === "verifying" || state === "published") return;
  if (state !== "uploading" && state !== "failed")
    throw problem("draft-state", `The draft is ${state}; open a new one.`);
  const there = await requireBlobs(tx, publisher, files);
  const blobs = [...there.values()].map((blob) => blob.id);
  const kept = await takeReferences(tx, { kind: "draft", id, publisher }, blobs);
  if (kept.size !== blobs.length) throw problem("blobs-missing", "Some bytes are gone; send them again.");
  // One update: of a row that it has changed already, PostgreSQL asks for the module again, and waits for its lock.
  const asked = { askedBy: { account, tokenId, requestId }, problems: [] };
  await tx.draft.update({ where: { id }, data: { state: "verifying", step: null, ...asked } });
  await jobs.sendInspection(tx, id);
}

/** What a verified draft becomes. */
export interface Verified {
  digest: Digest;
  manifest: Manifest;
  report: InspectionReport;
  batching: Record<string, Batching>;
  card: StoredCard;
  /** The beginning of its files of labels; undefined where it has none. */
  labels: string | undefined;
}

/**
 * verifying → published: the version exists from this transaction on, complete. The module's row is locked,
 * so that its numbers are given out one after the other. A number that was asked for and exists makes this
 * a success with the same content, and rejected with other content.
 */
export async function publishVersion(database: Database, id: string, verified: Verified): Promise<boolean> {
  return transition(database, id, async (tx, { state, moduleId }) => {
    if (state !== "verifying") return false;
    const [module] = await tx.$queryRaw<{ next_version: number; lower_name: string }[]>`
      SELECT next_version, lower_name FROM module WHERE id = ${moduleId} FOR NO KEY UPDATE`;
    if (module === undefined) return false;
    // Read again under the module's lock: until then it can be given to another publisher.
    const draft = await readDraft(tx, id);
    const number = draft.requestedVersion ?? module.next_version;
    const existing = await tx.version.findUnique({ where: { moduleId_number: { moduleId, number } } });
    const refusal =
      (await refuseLineage(tx, draft.jobId)) ??
      (existing === null
        ? (refuseNumber(number) ?? (await deletedVersion(tx, { lowerName: module.lower_name }, number)))
        : !(await hasSameContent(tx, existing, draft)) && problem("version-exists"));
    if (refusal) {
      await end(tx, draft, "rejected", [refusal.toDocument()]);
      return true;
    }
    const versionId = existing?.id ?? (await insertVersion(tx, draft, number, verified));
    const moved = await moveAliases(tx, moduleId, draft.aliases, versionId);
    const nextVersion = Math.max(module.next_version, number + 1);
    await tx.module.update({ where: { id: moduleId }, data: { nextVersion } });
    if (existing !== null && draft.revision !== null) {
      const { documentationRevision } = existing;
      await meanVersion(tx, moduleId, draft.revision, { versionId, documentationRevision });
    }
    if (draft.revision !== null) await settleHead(tx, moduleId, number);
    await refreshListing(tx, moduleId);
    const digest = existing?.digest ?? verified.digest;
    await tx.draft.update({ where: { id }, data: { version: number, digest } });
    await recordAudit(tx, draft.askedBy, {
      action: "module.publish",
      publisher: draft.publisher,
      module: draft.module,
      version: number,
      detail: { draft: id, digest, aliases: draft.aliases, ...(moved.length > 0 && { moved }) },
    });
    await publishedBy(tx, draft.jobId, { id: versionId, number, digest, module: draft.module });
    await end(tx, draft, "published", []);
    return true;
  });
}

/** After the highest number there is no next one. */
const refuseNumber = (number: number): ProblemError | undefined =>
  number > MAX_VERSION
    ? problem("invalid-request", `Version ${MAX_VERSION} is the last one; name a lower number that is free.`)
    : undefined;

async function insertVersion(tx: Queries, draft: Draft, number: number, verified: Verified): Promise<number> {
  const { digest, manifest, report, batching, card, labels } = verified;
  const version = await tx.version.create({
    data: {
      moduleId: draft.moduleId,
      number,
      digest,
      manifest: storableValue(manifest),
      report: storableValue(report),
      batching,
      labels: labels ?? null,
      derived: draft.derived,
    },
  });
  const used = manifestPaths(manifest);
  const isDoc = ({ path }: { path: string }) => isDocumentation(path, used);
  const documentation = draft.files.filter(isDoc);
  const files = draft.files
    .filter((file) => !isDoc(file))
    .map((file) => ({ ...file, role: fileRole(file.path, used) }));
  await tx.$executeRaw`
    INSERT INTO version_file (version_id, path, size, digest, role)
    SELECT ${version.id}, f.path, f.size, f.digest, f.role
    FROM jsonb_to_recordset(${JSON.stringify(files)}::jsonb)
      AS f(path text, size bigint, digest text, role text)`;
  const held = await tx.blobReference.findMany({
    where: { holderKind: "draft", holderId: draft.id },
    select: { blobId: true, blob: { select: { digest: true } } },
  });
  const blobs = new Map(held.map(({ blobId, blob }) => [blob.digest, blobId]));
  const { publisher } = draft;
  const wanted = new Set(files.flatMap((file) => blobs.get(file.digest) ?? []));
  const kept = await takeReferences(tx, { kind: "version", id: String(version.id), publisher }, [...wanted]);
  if (kept.size !== new Set(files.map((file) => file.digest)).size)
    throw new Error(`Draft ${draft.id} lost a blob that it referred to.`);
  const changes = changesBetween([], documentation);
  const { account: by } = draft.askedBy;
  await insertDocumentation(
    tx,
    { versionId: version.id, revision: 1, publisher, files: documentation, card, changes, by },
    blobs,
  );
  const commit = draft.revision ?? undefined;
  await addVersionRevision(tx, draft.moduleId, version.id, { author: by, commit });
  return version.id;
}

/** verifying → rejected: the module's fault. */
export async function rejectDraft(
  database: Database,
  id: string,
  problems: ProblemDocument[],
): Promise<boolean> {
  return transition(database, id, async (tx, draft) => {
    if (draft.state !== "verifying") return false;
    await end(tx, draft, "rejected", problems);
    return true;
  });
}

/** verifying → failed: the world's fault. The draft keeps its blobs, for it can be published again. */
export async function failDraft(
  database: Database,
  id: string,
  problems: ProblemDocument[],
): Promise<boolean> {
  return transition(database, id, async (tx, draft) => {
    if (draft.state !== "verifying") return false;
    await setState(tx, id, "failed", problems);
    await unpublishedBy(tx, draft.jobId, problems);
    return true;
  });
}

/**
 * uploading | verifying | failed → cancelled; one that has ended stays as it is. An inspection that is under way
 * finds out by watching the draft, and gives up.
 */
export async function cancelDraft(database: Database, actor: Actor, id: string): Promise<void> {
  await transition(database, id, async (tx, draft) => {
    if (draft.state !== "failed" && isEndState(draft.state)) return;
    await end(tx, draft, "cancelled", []);
    const { publisher, module } = draft;
    const detail = { draft: id, state: "cancelled" };
    await recordAudit(tx, actor, { action: "draft.write", publisher, module, detail });
  });
}

/** uploading | failed → expired, once its time is up. */
export async function expireDraft(database: Database, id: string, now: Date): Promise<boolean> {
  return transition(database, id, async (tx, draft) => {
    if (draft.state !== "uploading" && draft.state !== "failed") return false;
    if (draft.expiresAt.getTime() >= now.getTime()) return false;
    await end(tx, draft, "expired", draft.problems);
    return true;
  });
}

async function end(
  tx: Queries,
  { id, jobId }: Draft,
  state: "published" | "rejected" | "cancelled" | "expired",
  problems: ProblemDocument[],
): Promise<void> {
  await dropReferences(tx, { kind: "draft", id });
  await setState(tx, id, state, problems);
  if (state !== "published") await unpublishedBy(tx, jobId, problems);
}

async function setState(
  tx: Queries,
  id: string,
  state: DraftState,
  problems: ProblemDocument[],
): Promise<void> {
  await tx.draft.update({ where: { id }, data: { state, step: null, problems: storableValue(problems) } });
}
