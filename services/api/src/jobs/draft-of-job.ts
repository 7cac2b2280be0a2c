import {
  figuresOf,
  type ProblemDocument,
  ProblemError,
  problem,
  SPLITS,
  type SplitEvaluations,
  type TrainResult,
} from "@modulehub/core";
import { dropReferences } from "../blobs/references.ts";
import type { Queries } from "../database/client.ts";
import { storableJson } from "../database/storable.ts";
import { actingFor } from "../identity/acting-for.ts";
import { endJob } from "./end-job.ts";
import { readJob, type StoredJob } from "./stored-job.ts";
import { checkSubjects } from "./subjects.ts";

/**
 * A job that publishes hands its files to a draft, verified and inspected as anybody's. From then on the draft decides:
 * in the very transaction that makes the version exist, its lineage does too, and the job has succeeded.
 */

/** Ends the draft of a job that is cancelled. The job's row is locked. */
export async function endDraftOf(tx: Queries, job: string): Promise<void> {
  const draft = await tx.draft.findUnique({ where: { jobId: job } });
  if (draft === null) return;
  await tx.$queryRaw`SELECT 1 FROM draft WHERE id = ${draft.id} FOR UPDATE`;
  const { count } = await tx.draft.updateMany({
    where: { id: draft.id, state: { in: ["uploading", "verifying", "failed"] } },
    data: { state: "cancelled" },
  });
  if (count > 0) await dropReferences(tx, { kind: "draft", id: draft.id });
}

/** Why what a job made may not be published any more: its base is gone, or whoever started it may not use it. */
export async function refuseLineage(tx: Queries, job: string | null): Promise<ProblemError | undefined> {
  if (job === null) return undefined;
  const stored = await readJob(tx, job);
  try {
    await checkSubjects(tx, await actingFor(tx, stored.askedBy), stored);
    return undefined;
  } catch (error) {
    if (error instanceof ProblemError) return error;
    throw error;
  }
}

/** The version of a job's draft exists in this transaction: so does its lineage, and the job has succeeded. */
export async function publishedBy(
  tx: Queries,
  job: string | null,
  version: { id: number; number: number; digest: string; module: string },
): Promise<void> {
  if (job === null) return;
  const stored = await readJob(tx, job);
  if (stored.request.kind !== "train" || stored.result?.kind !== "train")
    throw new Error(`Job ${job} has a draft and no training to show for it.`);
  await insertLineage(tx, stored, stored.result, version.id);
  const published = {
    handle: `${version.module}/${version.number}`,
    digest: version.digest as TrainResult["base"]["digest"],
    version: version.number,
  };
  await endJob(tx, job, { state: "succeeded", result: { ...stored.result, published } });
}

/** The draft of a job has come to nothing. */
export async function unpublishedBy(
  tx: Queries,
  job: string | null,
  problems: readonly ProblemDocument[],
): Promise<void> {
  if (job === null) return;
  const stored = await readJob(tx, job);
  if (stored.endedAt !== null) return;
  const [first] = problems;
  await endJob(tx, job, {
    state: "failed",
    problem: first ?? problem("draft-state", "The draft was cancelled before it was published.").toDocument(),
  });
}

async function insertLineage(
  tx: Queries,
  job: StoredJob,
  result: TrainResult,
  versionId: number,
): Promise<void> {
  const [base] = job.subjects;
  if (base === undefined || job.request.kind !== "train") throw new Error(`Job ${job.id} has no base.`);
  const { settings, dataSet } = job.request;
  const data = {
    baseVersionId: base.versionId,
    baseHandle: base.handle,
    baseDigest: base.digest,
    dataSet,
    settings: { ...settings, steps: result.steps },
    figures: JSON.parse(storableJson(figuresBySplit(result.evaluations))),
  };
  // Published again with the same content: the version keeps the lineage that it has.
  await tx.lineage.upsert({ where: { versionId }, create: { versionId, ...data }, update: {} });
}

const figuresBySplit = (evaluations: SplitEvaluations) =>
  Object.fromEntries(
    SPLITS.flatMap((split) => {
      const evaluation = evaluations[split];
      return evaluation === undefined ? [] : [[split, figuresOf(evaluation)]];
    }),
  );
