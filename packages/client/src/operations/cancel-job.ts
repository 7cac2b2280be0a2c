import { type Job, jobAnswer, jobPath } from "../jobs/job.ts";
import type { Transport } from "../transport.ts";

/** Cancels a job; one that has ended stays as it is, and is answered. Throws as `Transport.call` does. */
export function cancelJob(transport: Transport, id: string): Promise<Job> {
  return transport.call("DELETE", jobPath(id), jobAnswer, { retry: "safe" });
}
