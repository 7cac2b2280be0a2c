import { problem, SPLITS, type Split } from "@modulehub/core";
import { type DataPlan, type DataSource, type Example, readDataset, surveyDataset } from "@modulehub/dataset";
import type { JobArgument } from "../job-messages.ts";
import type { WorkerPipe } from "./worker-pipe.ts";

/** A data set that was looked through once and can be read, as often as need be. */
export interface Data {
  source: DataSource;
  plan: DataPlan;
  report: Awaited<ReturnType<typeof surveyDataset>>["report"];
  /** Of all splits together. */
  examples: number;
}

/**
 * Looks through the data set and tells what is in it. Throws the first of its problems where it can't be used for
 * what it is for, with all of them in the job's log.
 */
export async function openData(pipe: WorkerPipe, { data, task }: JobArgument): Promise<Data> {
  await pipe.tell({ kind: "progress", progress: { stage: "reading" } });
  const source = { file: data };
  const { report, plan } = await surveyDataset(source, task.dataSet.reading, {
    purpose: task.kind,
  });
  await pipe.tell({ kind: "report", report });
  for (const text of report.warnings)
    await pipe.tell({ kind: "log", level: "warn", text: text.slice(0, 2000) });
  const [first, ...others] = report.problems;
  for (const { detail, title } of others)
    await pipe.tell({ kind: "log", level: "error", text: (detail ?? title).slice(0, 2000) });
  if (first !== undefined) throw problem(first.code, first.detail);
  const examples = SPLITS.reduce((sum, split) => sum + plan.counts[split], 0);
  return { source, plan, report, examples };
}

/** The examples in their order; each with its place in it. */
export async function* examplesOf({
  source,
  plan,
}: Pick<Data, "source" | "plan">): AsyncGenerator<Example & { at: number }> {
  let at = 0;
  for await (const example of readDataset(source, plan)) yield Object.assign(example, { at: at++ });
}

/** Splits that have examples. */
export const splitsOf = ({ plan }: Data): Split[] => SPLITS.filter((split) => plan.counts[split] > 0);
