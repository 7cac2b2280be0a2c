import type { JobKind, JobState } from "@modulehub/core";
import { type JobPage, jobPage } from "../jobs/job.ts";
import type { Transport } from "../transport.ts";
import type { PageOptions } from "./list-modules.ts";

/** Which jobs are listed; nothing: all of publishers that the token may write in. */
export interface JobFilter {
  publisher?: string;
  kind?: JobKind;
  state?: JobState;
}

/** A page of jobs, newest first. Throws as `Transport.call` does. */
export function listJobs(transport: Transport, options: PageOptions & JobFilter = {}): Promise<JobPage> {
  return transport.call("GET", "v1/jobs", jobPage, { query: { ...options } });
}
