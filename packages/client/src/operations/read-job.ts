import { type Job, jobAnswer, jobPath } from "../jobs/job.ts";
import type { Transport } from "../transport.ts";

/** A job as it is now. Throws `job-not-found`, and as `Transport.call` does. */
export function readJob(transport: Transport, id: string): Promise<Job> {
  return transport.call("GET", jobPath(id), jobAnswer);
}
