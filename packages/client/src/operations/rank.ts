import type { JobRequestInput } from "@modulehub/core";
import type { RunEvent } from "../jobs/event.ts";
import { type RunOptions, runJob } from "../jobs/run-job.ts";
import type { Transport } from "../transport.ts";

type RankRequest = Extract<JobRequestInput, { kind: "rank" }>;

export type RankOptions = RunOptions & Pick<RankRequest, "examples" | "metric">;

/** Says which of several modules suits data on this machine best, by how often an example's nearest has another label. */
export function rank(
  transport: Transport,
  candidates: readonly string[],
  data: string,
  options: RankOptions,
): AsyncGenerator<RunEvent, void> {
  const { publisher, examples, metric } = options;
  return runJob(transport, data, { ...options, purpose: "rank" }, (dataSet) => ({
    kind: "rank",
    publisher,
    candidates: [...candidates],
    dataSet,
    examples,
    metric,
  }));
}
