import {
  accuracyBarProblem,
  type DataReport,
  type JobRequestInput,
  parseModuleName,
  problem,
  publisherOf,
} from "@modulehub/core";
import type { RunEvent } from "../jobs/event.ts";
import { type RunOptions, runJob } from "../jobs/run-job.ts";
import type { Transport } from "../transport.ts";

type TrainRequest = Extract<JobRequestInput, { kind: "train" }>;

/** What is trained, and what becomes of it. Every default is in the schema of `POST /v1/jobs`. */
export type TrainOptions = Omit<RunOptions, "publisher"> &
  Omit<TrainRequest, "kind" | "publisher" | "base" | "dataSet"> & {
    /** Whose job it is; default: the publisher of `publish`. */
    publisher?: string;
  };

/** Trains a head on top of a module with data on this machine, and publishes both as one module if it is told to. */
export async function* train(
  transport: Transport,
  base: string,
  data: string,
  options: TrainOptions,
): AsyncGenerator<RunEvent, void> {
  const { settings, epochs, requireAccuracy, publish } = options;
  const publisher = options.publisher ?? (publish && publisherOf(parseModuleName(publish.module)));
  if (publisher === undefined)
    throw problem("invalid-request", "Say whose job it is, by publisher or by what is to be published.");
  const refuse = ({ splits }: DataReport) => accuracyBarProblem(requireAccuracy, splits.counts);
  yield* runJob(transport, data, { ...options, publisher, refuse }, (dataSet) => ({
    kind: "train",
    publisher,
    base,
    dataSet,
    settings,
    epochs,
    requireAccuracy,
    publish,
  }));
}
