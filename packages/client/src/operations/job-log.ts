import { type JobLogPage, jobPath, logPage } from "../jobs/job.ts";
import type { Transport } from "../transport.ts";
import type { PageOptions } from "./list-modules.ts";

/** A page of a job's log, oldest line first. Throws `job-not-found`, and as `Transport.call` does. */
export function jobLog(transport: Transport, id: string, options: PageOptions = {}): Promise<JobLogPage> {
  return transport.call("GET", `${jobPath(id)}/log`, logPage, { query: { ...options } });
}
