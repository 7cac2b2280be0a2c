import type { JobRequestInput } from "@modulehub/core";
import type { RunEvent } from "../jobs/event.ts";
import { type RunOptions, runJob } from "../jobs/run-job.ts";
import type { Transport } from "../transport.ts";

type EvaluateRequest = Extract<JobRequestInput, { kind: "evaluate" }>;

export type EvaluateOptions = RunOptions & Pick<EvaluateRequest, "requireAccuracy">;

/**
 * Says how good a classifier is on data on this machine: on its test split, or on all of it where the data has none and
 * none is drawn, which is the default.
 */
export function evaluate(
  transport: Transport,
  module: string,
  data: string,
  options: EvaluateOptions,
): AsyncGenerator<RunEvent, void> {
  const { publisher, requireAccuracy } = options;
  const reading = { ...options.reading, split: { test: 0, ...options.reading?.split } };
  return runJob(transport, data, { ...options, reading, purpose: "evaluate" }, (dataSet) => ({
    kind: "evaluate",
    publisher,
    module,
    dataSet,
    requireAccuracy,
  }));
}
