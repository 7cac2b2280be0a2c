import { type EvaluateResult, figuresOf } from "@modulehub/core";
import type { Queries } from "../database/client.ts";
import { storableJson } from "../database/storable.ts";
import type { StoredJob } from "./stored-job.ts";

/** Keeps the figures of an evaluation with the version that was evaluated; not where that was deleted meanwhile. */
export async function storeEvaluation(tx: Queries, job: StoredJob, result: EvaluateResult): Promise<void> {
  const [subject] = job.subjects;
  if (subject === undefined) return;
  if ((await tx.version.findUnique({ where: { id: subject.versionId } })) === null) return;
  await tx.evaluation.create({
    data: {
      jobId: job.id,
      versionId: subject.versionId,
      publisherId: job.publisher,
      dataSet: job.request.dataSet,
      figures: JSON.parse(storableJson(figuresOf(result.evaluation))),
    },
  });
}
