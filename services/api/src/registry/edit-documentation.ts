import { isDocumentation, type ModuleName, manifestPaths, manifestSchema, problem } from "@modulehub/core";
import type { BlobStore } from "../blobs/blob-store.ts";
import { readText } from "../blobs/read-text.ts";
import type { Database, Queries } from "../database/client.ts";
import type { Module, Version } from "../database/generated/client.ts";
import { type Actor, recordAudit } from "../identity/audit.ts";
import type { Principal } from "../identity/principal.ts";
import { checkPaths } from "../publish/file-list.ts";
import { requireBlobs } from "../publish/require-blobs.ts";
import { CARD_BYTES, readCard, type StoredCard } from "./card.ts";
import { changeModule } from "./change-module.ts";
import {
  type Changes,
  changesBetween,
  type DocumentationFile,
  documentationFiles,
  insertDocumentation,
} from "./documentation.ts";
import { refreshListing } from "./listing.ts";
import { addVersionRevision, type NewRevision } from "./revisions.ts";
import { findModuleVersion, findVersion } from "./versions.ts";

/** The most files of a documentation, and bytes in all. */
export const MAX_DOCUMENTATION_FILES = 1_000;
const MAX_DOCUMENTATION_BYTES = 268_435_456;

export interface DocumentationEdit {
  module: ModuleName;
  version: number;
  /** The revision that the change was made to. */
  base: number;
  /** All files from now on, not only those that changed. */
  files: readonly DocumentationFile[];
  message?: string | undefined;
}

/**
 * Gives a version another documentation, as its next revision. The same files as the current ones are a success
 * without one, whatever they are based on: a request may be sent again. Throws `not-documentation`,
 * `documentation-too-large`, `blobs-missing`, `size-mismatch`, `documentation-conflict`, and as `findModuleVersion`.
 */
export async function editDocumentation(
  { database, store }: { database: Database; store: BlobStore },
  principal: Principal,
  edit: DocumentationEdit,
): Promise<{ module: Module; version: Version; created: boolean }> {
  const { module: name, files } = edit;
  const reference = { kind: "version", version: edit.version } as const;
  const found = await findModuleVersion(database.prisma, principal, "module.document", name, reference);
  await checkFiles(database.prisma, found.version, files);
  await changesOf(database.prisma, found.version, edit);
  await requireBlobs(database.prisma, found.module.publisherId, files);
  const readme = files.find(({ path }) => path === "README.md");
  const text = readme && (await readText(database.prisma, store, readme.digest, CARD_BYTES));
  const card = readCard(text);

  return changeModule(database, principal, "module.document", name, async (tx, module) => {
    const version = await findVersion(tx, module, reference);
    const changes = await changesOf(tx, version, edit);
    if (changes.count === 0) return { module, version, created: false };
    const revised = await writeDocumentation(tx, principal, {
      module,
      version,
      files,
      card,
      changes,
      message: edit.message,
    });
    return { module, version: revised, created: true };
  });
}

/** The next revision of a version's documentation, before it is written. */
export interface DocumentationChange {
  module: Module;
  version: Version;
  /** All its files. */
  files: readonly DocumentationFile[];
  card: StoredCard;
  changes: Changes;
  message?: string | undefined;
  /** Where it comes of the module's head: by which commit. */
  commit?: Pick<NewRevision, "parent" | "request" | "commit">;
}

/**
 * Writes a revision of a version's documentation and makes it the current one. To be called under the lock of the
 * module's row. Throws `blobs-missing`.
 */
export async function writeDocumentation(
  tx: Queries,
  actor: Actor,
  { module, version, files, card, changes, message, commit }: DocumentationChange,
): Promise<Version> {
  const blobs = await requireBlobs(tx, module.publisherId, files);
  const revision = version.documentationRevision + 1;
  const { publisherId: publisher } = module;
  await insertDocumentation(
    tx,
    { versionId: version.id, revision, publisher, files, card, changes, by: actor.account, message },
    new Map([...blobs].map(([digest, { id }]) => [digest, id])),
  );
  const changed = await tx.version.update({
    where: { id: version.id },
    data: { documentationRevision: revision },
  });
  await addVersionRevision(tx, module.id, version.id, { ...commit, author: actor.account, message });
  await recordAudit(tx, actor, {
    action: "module.document",
    publisher,
    module: module.name,
    version: version.number,
    detail: { revision, changes, ...(message !== undefined && { message }) },
  });
  await refreshListing(tx, module.id);
  return changed;
}

/** What an edit changes: nothing where all is so already. Throws `documentation-conflict`. */
async function changesOf(
  queries: Queries,
  version: Version,
  { files, base }: DocumentationEdit,
): Promise<Changes> {
  const { id, documentationRevision: current } = version;
  const changes = changesBetween(await documentationFiles(queries, id, current), files);
  if (changes.count > 0 && base !== current)
    throw problem(
      "documentation-conflict",
      `The documentation is at revision ${current}, not ${base}; read it again, and send your change with that as base.`,
    );
  return changes;
}

/** Throws `documentation-too-large`. */
export function checkAmount(files: readonly DocumentationFile[]): void {
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (files.length > MAX_DOCUMENTATION_FILES || bytes > MAX_DOCUMENTATION_BYTES)
    throw problem(
      "documentation-too-large",
      `Documentation has at most ${MAX_DOCUMENTATION_FILES} files and ${MAX_DOCUMENTATION_BYTES} bytes in all.`,
    );
}

/** What a version's manifest and files decide; both never change. */
async function checkFiles(
  queries: Queries,
  version: Version,
  files: readonly DocumentationFile[],
): Promise<void> {
  checkAmount(files);
  const used = manifestPaths(manifestSchema.parse(version.manifest));
  const errors = files.flatMap(({ path }, index) =>
    isDocumentation(path, used) ? [] : [{ path: `files[${index}]`, message: `${path} is not documentation` }],
  );
  if (errors.length > 0)
    throw problem(
      "not-documentation",
      `${errors[0]!.message}: that is README, LICENSE and NOTICE files at the root, and pages and pictures in docs/ and images/, unless module.json uses them.`,
      { errors: errors.slice(0, 20) },
    );
  const content = await queries.versionFile.findMany({
    where: { versionId: version.id },
    select: { path: true },
  });
  checkPaths(
    files,
    content.map(({ path }) => path),
  );
}
