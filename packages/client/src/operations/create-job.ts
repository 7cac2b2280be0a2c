import type { JobRequestInput } from "@modulehub/core";
import { type Job, jobAnswer } from "../jobs/job.ts";
import type { Transport } from "../transport.ts";

/** Has a job made; its data set's bytes must be among the publisher's. Throws as `Transport.call` does. */
export function createJob(
  transport: Transport,
  request: JobRequestInput,
  signal?: AbortSignal,
): Promise<Job> {
  return transport.call("POST", "v1/jobs", jobAnswer, { body: request, signal });
}
