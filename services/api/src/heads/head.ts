import {
  type Action,
  digestSchema,
  EMPTY_REVISION,
  fileRole,
  type ModuleName,
  type ProblemDocument,
  problem,
  problemDocumentSchema,
} from "@modulehub/core";
import { z } from "zod";
import type { Queries } from "../database/client.ts";
import type { Module, Version } from "../database/generated/client.ts";
import { isStorable } from "../database/storable.ts";
import type { Actor } from "../identity/audit.ts";
import type { Principal } from "../identity/principal.ts";
import { askedBySchema, DRAFT_STATES, type DraftState } from "../publish/draft.ts";
import type { ListedFile } from "../publish/file-list.ts";
import { decodeCursor, encodeCursor } from "../registry/cursor.ts";
import { findModule } from "../registry/modules.ts";
import { revisionOf } from "../registry/revisions.ts";
import { versionFiles } from "../registry/versions.ts";

/**
 * What the writers of a module work on: a tree of files that commits change. While it has no commits of its own it is
 * the latest version, whatever becomes that; with them it is `ahead`, until they are a version.
 */
export type Head = {
  revision: string;
  /** By path. */
  files: ListedFile[];
} & ({ kind: "empty" } | { kind: "version"; version: Version } | ({ kind: "ahead" } & Ahead));

interface Ahead {
  /** The version that it was before its first commit, or has become since. */
  base?: number;
  publishAt?: Date;
  /** The draft that was made of it as it is. */
  draft?: { id: string; state: DraftState; problems: ProblemDocument[] };
  /** Why no draft could be made of it. */
  problems: ProblemDocument[];
  /** Who made the last commit. */
  askedBy: Actor;
  changedAt: Date;
}

const filesSchema = z.array(z.object({ path: z.string(), size: z.int(), digest: digestSchema }));
const problemsSchema = z.array(problemDocumentSchema);

/** The head of a module, as it is at this moment. */
export async function readHead(queries: Queries, moduleId: number): Promise<Head> {
  const row = await queries.head.findUnique({ where: { moduleId }, include: { draft: true } });
  if (row === null) return publishedHead(queries, moduleId);
  const { draft } = row;
  return {
    kind: "ahead",
    revision: row.revision,
    files: filesSchema.parse(row.files),
    ...(row.base !== null && { base: row.base }),
    ...(row.publishAt !== null && { publishAt: row.publishAt }),
    ...(draft?.revision === row.revision && {
      draft: {
        id: draft.id,
        state: z.enum(DRAFT_STATES).parse(draft.state),
        problems: problemsSchema.parse(draft.problems),
      },
    }),
    problems: problemsSchema.parse(row.problems),
    askedBy: askedBySchema.parse(row.askedBy),
    changedAt: row.changedAt,
  };
}

/** The latest version; where all are yanked the highest, for what was wrong with it is mended on top of it. */
async function publishedHead(queries: Queries, moduleId: number): Promise<Head> {
  const find = (where: { yankedAt?: null }) =>
    queries.version.findFirst({ where: { moduleId, ...where }, orderBy: { number: "desc" } });
  const version = (await find({ yankedAt: null })) ?? (await find({}));
  if (version === null) return { kind: "empty", revision: EMPTY_REVISION, files: [] };
  const files = await versionFiles(queries, version);
  return {
    kind: "version",
    version,
    revision: await revisionOf(queries, version),
    files: files.map(({ path, size, digest }) => ({ path, size, digest })),
  };
}

/** Whether there is something to publish: without a graph a head is left alone. */
export const hasGraph = (files: readonly ListedFile[]): boolean =>
  files.some(({ path }) => fileRole(path) === "graph");

/**
 * What becomes of a head: `waiting` until it is published by itself, `incomplete` without a graph, and then as its
 * draft has it.
 */
export const HEAD_STATES = [
  "empty",
  "published",
  "incomplete",
  "waiting",
  "verifying",
  "rejected",
  "failed",
  "cancelled",
] as const;
export type HeadState = (typeof HEAD_STATES)[number];

function stateOf(head: Head): HeadState {
  if (head.kind === "empty") return "empty";
  if (head.kind === "version") return "published";
  const { draft } = head;
  if (draft?.state === "rejected" || draft?.state === "failed" || draft?.state === "cancelled")
    return draft.state;
  if (draft?.state === "expired") return "failed";
  if (draft !== undefined) return "verifying";
  if (head.publishAt !== undefined) return "waiting";
  return head.problems.length > 0 ? "rejected" : "incomplete";
}

/** The most files that one answer lists. */
export const HEAD_PAGE = 1_000;

/** The revision that is listed, and the path that was listed last. */
const position = z.tuple([z.string().regex(/^[0-9a-f]{40}$/), z.string().refine(isStorable)]);

/** A head as its writers see it, with a page of its files. Throws `head-conflict` for the page of an earlier one. */
export function describeHead(
  module: Pick<Module, "name">,
  head: Head,
  page: { limit: number; cursor?: string | undefined },
) {
  const [revision, after] =
    page.cursor === undefined ? [head.revision, ""] : decodeCursor(position, page.cursor);
  if (revision !== head.revision)
    throw problem(
      "head-conflict",
      `The head is at ${head.revision} by now; list its files from the beginning.`,
    );
  const rest = head.files.filter(({ path }) => path > after);
  const files = rest.slice(0, page.limit);
  const ahead = head.kind === "ahead" ? head : undefined;
  const problems = ahead?.draft ? ahead.draft.problems : (ahead?.problems ?? []);
  return {
    module: module.name,
    revision: head.revision,
    state: stateOf(head),
    ...(head.kind === "version" && { version: head.version.number }),
    ...(ahead?.base !== undefined && { base: ahead.base }),
    ...(ahead?.draft && { draft: ahead.draft.id }),
    ...(ahead?.publishAt && { publishAt: ahead.publishAt.toISOString() }),
    ...(ahead && { changedAt: ahead.changedAt.toISOString() }),
    ...(problems.length > 0 && { problems }),
    fileCount: head.files.length,
    bytes: head.files.reduce((sum, { size }) => sum + size, 0),
    files,
    ...(rest.length > files.length && { next: encodeCursor([head.revision, files.at(-1)!.path]) }),
  };
}

/** Module and head of a name, for a principal. Throws as `findModule` does. */
export async function findHead(
  queries: Queries,
  principal: Principal,
  action: Action,
  name: ModuleName,
): Promise<{ module: Module; head: Head }> {
  const module = await findModule(queries, principal, action, name);
  return { module, head: await readHead(queries, module.id) };
}
