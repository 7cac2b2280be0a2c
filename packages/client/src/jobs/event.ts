import type { DataReport } from "@modulehub/core";
import type { Job } from "./job.ts";
import type { JobEvent } from "./watch-job.ts";

/** How far a job is that begins with data on this machine. The last is a state in which it has ended. */
export type RunEvent =
  /** What is in the data set; nothing was sent yet. Where it has problems, these are thrown next. */
  | { kind: "report"; report: DataReport }
  /** A folder becomes an archive. */
  | { kind: "packing"; packedBytes: number }
  | { kind: "hashing"; hashedBytes: number; totalBytes: number }
  /** Only where the hub lacks the bytes. */
  | { kind: "sending"; sentBytes: number; totalBytes: number }
  /** The job is there, and goes on whether its events are read or not. */
  | { kind: "created"; job: Job }
  | JobEvent;
