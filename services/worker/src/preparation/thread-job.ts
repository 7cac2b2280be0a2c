import type { InputTensor, Manifest, ProblemDocument } from "@modulehub/core";
import type { Prepared } from "@modulehub/runtime";
import type { BodyForm, PreparedCall } from "./read-call.ts";

/** What is done in a thread because it may take long, or for ever. */
export type ThreadJob =
  /** Parses JSON. */
  | { kind: "json"; bytes: Uint8Array }
  /** Reads a JSON body and does the steps before the run. */
  | { kind: "call"; bytes: Uint8Array<ArrayBuffer>; form: BodyForm; manifest: Manifest; folder: string }
  /** Whether the steps before the run of short texts need no thread. */
  | { kind: "quick"; folder: string; signature: string }
  /** The steps before the run, for each item on its own. */
  | { kind: "prepare"; folder: string; signature: string; items: ReadonlyMap<string, InputTensor>[] };

/** What comes of each kind. */
export interface ThreadResults {
  json: unknown;
  call: PreparedCall;
  quick: boolean;
  prepare: Prepared[];
}

export type ThreadAnswer = { ok: true; result: unknown } | { ok: false; problem: ProblemDocument };

/** Bytes of memory that a job holds for its inputs, or nearly so many. */
export function bytesOf(job: ThreadJob): number {
  switch (job.kind) {
    case "json":
    case "call":
      return job.bytes.buffer.byteLength;
    case "quick":
      return 0;
    case "prepare": {
      let bytes = 0;
      for (const item of job.items) for (const { data } of item.values()) bytes += bytesIn(data);
      return bytes;
    }
  }
}

function bytesIn(data: InputTensor["data"]): number {
  if (!Array.isArray(data)) return data.byteLength;
  let bytes = 0;
  // Characters take a byte or two.
  for (const element of data) bytes += typeof element === "string" ? 2 * element.length : element.byteLength;
  return bytes;
}
