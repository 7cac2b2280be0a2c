import type { DataReport, JobResult, ProblemDocument } from "@modulehub/core";
import { dropReferences } from "../blobs/references.ts";
import type { Queries } from "../database/client.ts";
import { Prisma } from "../database/generated/client.ts";
import { storableJson } from "../database/storable.ts";
import { addLogLine } from "./job-log.ts";
import { endJobUploads } from "./job-uploads.ts";

/** What a job comes to. */
export type JobEnd =
  | { state: "succeeded"; result: JobResult }
  | { state: "failed"; problem: ProblemDocument; result?: JobResult }
  | { state: "cancelled" };

/** Ends a job: lets go of what it made on the way, and keeps its data set until it is forgotten. */
export async function endJob(tx: Queries, id: string, end: JobEnd): Promise<void> {
  await endJobUploads(tx, id);
  for (const kind of ["checkpoint", "job-file"] as const) await dropReferences(tx, { kind, id });
  if (end.state === "failed") await addLogLine(tx, id, "error", end.problem.detail ?? end.problem.title);
  else await addLogLine(tx, id, "info", end.state === "succeeded" ? "Succeeded." : "Cancelled.");
  await tx.job.update({
    where: { id },
    data: {
      state: end.state,
      endedAt: new Date(),
      attempt: null,
      problem: end.state === "failed" ? jobJson(end.problem) : Prisma.DbNull,
      ...("result" in end && end.result !== undefined && { result: jobJson(end.result) }),
    },
  });
}

/** What was parsed by a schema is JSON; names in it come from the data, in which any character may be. */
export const jobJson = (value: DataReport | JobResult | ProblemDocument): Prisma.InputJsonValue =>
  JSON.parse(storableJson(value));
