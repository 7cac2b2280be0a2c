import type { InputTensor, Manifest, ProblemDocument } from "@modulehub/core";
import type { Prepared } from "@modulehub/runtime";
import type { InferCall } from "../protocols/infer-body.ts";
import type { PlainInputs } from "../protocols/plain-body.ts";

/** What is done in a thread because it may take long, or for ever. */
export type ThreadJob =
  /** Parses JSON. */
  | { kind: "json"; bytes: Uint8Array }
  /** Reads the body of a native `infer`. */
  | { kind: "infer-body"; bytes: Uint8Array; manifest: Manifest }
  /** Reads the JSON body of `embed` or `classify`. */
  | { kind: "plain-body"; bytes: Uint8Array }
  /** Whether the steps before the run of short texts need no thread. */
  | { kind: "quick"; folder: string; signature: string }
  /** The steps before the run, for each item on its own. */
  | { kind: "prepare"; folder: string; signature: string; items: ReadonlyMap<string, InputTensor>[] };

/** What comes of each kind. */
export interface ThreadResults {
  json: unknown;
  "infer-body": InferCall;
  "plain-body": PlainInputs;
  quick: boolean;
  prepare: Prepared[];
}

export type ThreadAnswer = { ok: true; result: unknown } | { ok: false; problem: ProblemDocument };
