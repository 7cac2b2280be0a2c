import {
  type Action,
  type Digest,
  type ProblemDocument,
  problem,
  problemDocumentSchema,
  type Visibility,
} from "@modulehub/core";
import { z } from "zod";
import { blobsOpenTo } from "../blobs/references.ts";
import type { Queries } from "../database/client.ts";
import type { Actor } from "../identity/audit.ts";
import { allows, type Principal } from "../identity/principal.ts";
import { VERIFY_STEPS, type VerifyStep } from "./draft-events.ts";
import { fileListSchema, type ListedFile } from "./file-list.ts";

/**
 * States of a draft. What leads from one to another is in transitions.ts, one function each.
 *
 *     uploading ─► verifying ─► published
 *        │            ├───────► rejected     the module's fault
 *        │            └───────► failed       the world's fault; publishing again re-opens it
 *        └──► cancelled · expired
 */
export const DRAFT_STATES = [
  "uploading",
  "verifying",
  "published",
  "rejected",
  "failed",
  "expired",
  "cancelled",
] as const;
export type DraftState = (typeof DRAFT_STATES)[number];

/** Whether nothing more happens to a draft unless someone asks for it. */
export const isEndState = (state: DraftState): boolean => state !== "uploading" && state !== "verifying";

/** A draft as the database has it, with its columns of JSON read. */
export interface Draft {
  id: string;
  moduleId: number;
  module: string;
  publisher: string;
  state: DraftState;
  /** How far its verification is, while one is under way. */
  step: VerifyStep | null;
  files: ListedFile[];
  requestedVersion: number | null;
  /** The commit of the module's head that it is made of. */
  revision: string | null;
  /** The client derived module.json. */
  derived: boolean;
  aliases: string[];
  problems: ProblemDocument[];
  version: number | null;
  digest: string | null;
  /** Who had it published; nobody yet, where that was not asked for. */
  askedBy: Actor;
  /** The job whose result it publishes. */
  jobId: string | null;
  createdAt: Date;
  updatedAt: Date;
  expiresAt: Date;
}

/** What is kept of whoever had a draft published. */
export const askedBySchema = z.object({
  account: z.string().exactOptional(),
  tokenId: z.string().exactOptional(),
  requestId: z.string().exactOptional(),
});

/**
 * Reads a draft for a principal that wants to do something to it. Throws `draft-not-found` where it isn't there or
 * the principal may not, the same for both.
 */
export async function findDraft(
  queries: Queries,
  principal: Principal,
  action: Action,
  id: string,
): Promise<Draft> {
  const row = await queries.draft.findUnique({
    where: { id },
    select: { module: { select: { publisherId: true, visibility: true } } },
  });
  const resource = row && {
    publisher: row.module.publisherId,
    visibility: row.module.visibility as Visibility,
  };
  if (resource === null || !allows(principal, action, resource)) throw problem("draft-not-found");
  return readDraft(queries, id);
}

/** Reads a draft, whoever asks. Throws `draft-not-found`. */
export async function readDraft(queries: Queries, id: string): Promise<Draft> {
  const row = await queries.draft.findUnique({ where: { id }, include: { module: true } });
  if (row === null) throw problem("draft-not-found");
  const { module, ...columns } = row;
  return {
    ...columns,
    module: module.name,
    publisher: module.publisherId,
    state: z.enum(DRAFT_STATES).parse(row.state),
    // A newer replica may know other steps.
    step: z.enum(VERIFY_STEPS).nullable().catch(null).parse(row.step),
    files: fileListSchema.parse(row.files),
    problems: z.array(problemDocumentSchema).parse(row.problems),
    askedBy: askedBySchema.parse(row.askedBy ?? {}),
  };
}

/** The digests of a draft's files that still have to be sent, in the order of the files. */
export async function missingBlobs(
  queries: Queries,
  draft: Pick<Draft, "publisher" | "files">,
): Promise<Digest[]> {
  const digests = [...new Set(draft.files.map(({ digest }) => digest))];
  const there = await blobsOpenTo(queries, draft.publisher, digests);
  return digests.filter((digest) => !there.has(digest));
}

/** A draft as clients see it. */
export async function describeDraft(queries: Queries, draft: Draft) {
  const open = draft.state === "uploading" || draft.state === "failed";
  return {
    id: draft.id,
    state: draft.state,
    module: draft.module,
    ...(draft.requestedVersion !== null && { requestedVersion: draft.requestedVersion }),
    ...(draft.revision !== null && { revision: draft.revision }),
    missing: open ? await missingBlobs(queries, draft) : [],
    ...(draft.version !== null && {
      version: draft.version,
      handle: `${draft.module}/${draft.version}`,
    }),
    ...(draft.digest !== null && { digest: draft.digest }),
    ...(draft.problems.length > 0 && { problems: draft.problems }),
    createdAt: draft.createdAt.toISOString(),
    updatedAt: draft.updatedAt.toISOString(),
    expiresAt: draft.expiresAt.toISOString(),
  };
}
export type DraftAnswer = Awaited<ReturnType<typeof describeDraft>>;
