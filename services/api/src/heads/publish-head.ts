import { randomUUID } from "node:crypto";
import {
  isAlias,
  isDocumentation,
  isVersion,
  type ModuleName,
  manifestPaths,
  manifestSchema,
  ProblemError,
  problem,
} from "@modulehub/core";
import { takeReferences } from "../blobs/references.ts";
import type { Queries } from "../database/client.ts";
import type { Module, Version } from "../database/generated/client.ts";
import { inTransaction } from "../database/transaction.ts";
import { type Actor, recordAudit } from "../identity/audit.ts";
import type { Principal } from "../identity/principal.ts";
import type { HeadJob } from "../jobs/job-queue.ts";
import { checkFileList } from "../publish/file-list.ts";
import { DRAFT_LIFE, refuseOtherContent } from "../publish/open-draft.ts";
import { requireBlobs } from "../publish/require-blobs.ts";
import { hasSameContent } from "../publish/same-content.ts";
import { moveAliases } from "../registry/aliases.ts";
import { changesBetween, documentationFiles } from "../registry/documentation.ts";
import { checkAmount, writeDocumentation } from "../registry/edit-documentation.ts";
import { findModule } from "../registry/modules.ts";
import { meanVersion } from "../registry/revisions.ts";
import type { HeadDeps } from "./commit.ts";
import { type Head, readHead } from "./head.ts";
import { CardNeeded, cardOf, type KnownCard, withCard } from "./known-card.ts";
import { settleHead } from "./settle-head.ts";

/** What a head is to be published as. */
export interface Publication {
  /** The next number unless it is said. */
  version?: number | undefined;
  /** Names that stand for the version from then on. */
  aliases?: readonly string[] | undefined;
}

/** What was done: nothing, but for aliases and documentation, where there is no draft to wait for. */
export interface HeadPublished {
  module: Module;
  draft?: string;
}

/**
 * Has a head published now: by a draft that is verified, unless it is a version already, or differs from the latest in
 * documentation only. One that failed is tried again; one that is being verified gets the number and the aliases on
 * top. Throws `manifest-missing`, `version-exists`, `gone`, `draft-state`, and as `findModule` does.
 */
export async function publishHead(
  deps: HeadDeps,
  principal: Principal,
  name: ModuleName,
  publication: Publication,
): Promise<HeadPublished> {
  const { id } = await findModule(deps.database.prisma, principal, "head.write", name);
  return withCard(deps, (known) =>
    inTransaction(deps.database, async (tx) => {
      await lockHead(tx, id);
      const module = await findModule(tx, principal, "head.write", name);
      const head = await readHead(tx, id);
      return publishNow(tx, deps, principal, { module, head, publication, known });
    }),
  );
}

/**
 * What a tag of a head means, for protocols that have tags: a number is an explicit version, any other name an alias.
 * Throws `invalid-name` for what is neither.
 */
export function publicationOfTag(tag: string): Publication {
  if (isVersion(tag)) return { version: Number(tag) };
  if (isAlias(tag)) return { aliases: [tag] };
  throw problem(
    "invalid-name",
    `A tag is a version's number or an alias; ${JSON.stringify(tag)} is neither.`,
  );
}

/**
 * The job that publishes a head which was left alone for a while. One that has moved on, or was published or refused
 * meanwhile, is left as it is: its own commit has a job of its own. A refusal is kept for its writers to see.
 */
export async function publishQuietHead(deps: HeadDeps, { moduleId, revision }: HeadJob): Promise<void> {
  const isDue = (head: Head): boolean =>
    head.kind === "ahead" && head.revision === revision && head.publishAt !== undefined;
  try {
    await withCard(deps, (known) =>
      inTransaction(deps.database, async (tx) => {
        await lockHead(tx, moduleId);
        const module = await tx.module.findUnique({ where: { id: moduleId } });
        const head = await readHead(tx, moduleId);
        if (module === null || head.kind !== "ahead" || !isDue(head)) return undefined;
        return publishNow(tx, deps, head.askedBy, { module, head, publication: {}, known });
      }),
    );
  } catch (error) {
    if (!(error instanceof ProblemError) || error.status >= 500) throw error;
    const problems = [JSON.parse(JSON.stringify(error.toDocument()))];
    await deps.database.prisma.head.updateMany({
      where: { moduleId, revision },
      data: { problems, publishAt: null },
    });
  }
}

/** Drafts before the module, as publishing has it, so that the two don't wait for each other. */
async function lockHead(tx: Queries, moduleId: number): Promise<void> {
  const row = await tx.head.findUnique({ where: { moduleId }, select: { draftId: true } });
  if (row !== null && row.draftId !== null)
    await tx.$queryRaw`SELECT 1 FROM draft WHERE id = ${row.draftId} FOR UPDATE`;
  await tx.$queryRaw`SELECT 1 FROM module WHERE id = ${moduleId} FOR NO KEY UPDATE`;
}

interface PublishedHead {
  module: Module;
  head: Head;
  publication: Publication;
  known: KnownCard | undefined;
}

async function publishNow(
  tx: Queries,
  deps: HeadDeps,
  actor: Actor,
  { module, head, publication, known }: PublishedHead,
): Promise<HeadPublished | CardNeeded> {
  const { version, aliases = [] } = publication;
  if (head.kind === "version" && (version === undefined || version === head.version.number)) {
    await nameVersion(tx, actor, module, head.version, aliases);
    return { module };
  }
  if (head.kind === "ahead" && head.draft?.state === "verifying") {
    await addToDraft(tx, head.draft.id, publication);
    return { module, draft: head.draft.id };
  }
  const latest = await tx.version.findFirst({
    where: { moduleId: module.id, yankedAt: null },
    orderBy: { number: "desc" },
  });
  // Only under a number that is said may a derived module.json differ: else the head's is what its writers want.
  const isExact = version === undefined && head.files.some(({ path }) => path === "module.json");
  const isLatest =
    latest !== null &&
    (await hasSameContent(tx, isExact ? { ...latest, derived: false } : latest, {
      files: head.files,
      derived: false,
    }));
  if (head.kind === "ahead" && isLatest && (version === undefined || version === latest.number)) {
    const needed = await becomeVersion(tx, actor, { module, head, version: latest, known });
    if (needed !== undefined) return needed;
    await nameVersion(tx, actor, module, latest, aliases);
    return { module };
  }
  return { module, draft: await openDraft(tx, deps, actor, module, head, publication) };
}

/** Makes aliases stand for what the head is already. */
async function nameVersion(
  tx: Queries,
  actor: Actor,
  module: Module,
  version: Version,
  aliases: readonly string[],
): Promise<void> {
  const moved = await moveAliases(tx, module.id, aliases, version.id);
  if (aliases.length === 0) return;
  await recordAudit(tx, actor, {
    action: "module.alias",
    publisher: module.publisherId,
    module: module.name,
    version: version.number,
    detail: { aliases: [...aliases], ...(moved.length > 0 && { moved }) },
  });
}

/** What is asked for while a draft of the same head is being verified comes on top of what it was made for. */
async function addToDraft(tx: Queries, id: string, { version, aliases = [] }: Publication): Promise<void> {
  const draft = await tx.draft.findUniqueOrThrow({ where: { id } });
  const { requestedVersion } = draft;
  if (version !== undefined && requestedVersion !== null && version !== requestedVersion)
    throw problem("draft-state", `The head is on its way as version ${requestedVersion}.`);
  await tx.draft.update({
    where: { id },
    data: {
      requestedVersion: version ?? requestedVersion,
      aliases: [...new Set([...draft.aliases, ...aliases])],
    },
  });
}

/** The head has the files of the latest version again: what it says besides is that one's documentation from now on. */
async function becomeVersion(
  tx: Queries,
  actor: Actor,
  { module, head, version, known }: Omit<PublishedHead, "publication"> & { version: Version },
): Promise<CardNeeded | undefined> {
  const used = manifestPaths(manifestSchema.parse(version.manifest));
  const files = head.files.filter(({ path }) => isDocumentation(path, used));
  const changes = changesBetween(
    await documentationFiles(tx, version.id, version.documentationRevision),
    files,
  );
  if (changes.count > 0) {
    const card = cardOf(files, known);
    if (card instanceof CardNeeded) return card;
    checkAmount(files);
    const commit = { commit: head.revision };
    await writeDocumentation(tx, actor, { module, version, files, card, changes, commit });
  } else {
    const { id: versionId, documentationRevision } = version;
    await meanVersion(tx, module.id, head.revision, { versionId, documentationRevision });
  }
  await settleHead(tx, module.id, version.number);
  return undefined;
}

async function openDraft(
  tx: Queries,
  { jobs }: HeadDeps,
  actor: Actor,
  module: Module,
  head: Head,
  { version, aliases = [] }: Publication,
): Promise<string> {
  checkFileList(head.files);
  const derived = head.kind === "version" && head.version.derived;
  if (version !== undefined) await refuseOtherContent(tx, module, version, { files: head.files, derived });
  const id = randomUUID();
  const blobs = await requireBlobs(tx, module.publisherId, head.files);
  const ids = [...blobs.values()].map((blob) => blob.id);
  const kept = await takeReferences(tx, { kind: "draft", id, publisher: module.publisherId }, ids);
  if (kept.size !== new Set(ids).size)
    throw new Error(`The head of ${module.name} lost a blob that it referred to.`);
  const { account, tokenId, requestId } = actor;
  await tx.draft.create({
    data: {
      id,
      moduleId: module.id,
      state: "verifying",
      files: head.files.map(({ path, size, digest }) => ({ path, size, digest })),
      requestedVersion: version ?? null,
      revision: head.revision,
      derived,
      aliases: [...new Set(aliases)],
      askedBy: { account, tokenId, requestId },
      expiresAt: new Date(Date.now() + DRAFT_LIFE),
    },
  });
  await tx.head.updateMany({
    where: { moduleId: module.id },
    data: { draftId: id, publishAt: null, problems: [] },
  });
  await jobs.sendInspection(tx, id);
  await recordAudit(tx, actor, {
    action: "draft.write",
    publisher: module.publisherId,
    module: module.name,
    detail: { draft: id, state: "verifying", revision: head.revision },
  });
  return id;
}
