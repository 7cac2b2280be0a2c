import type { Dtype } from "@modulehub/core/dtype";
import type { Tensor } from "@modulehub/core/tensor";

export interface SessionOptions {
  /** Threads that one run uses. */
  threads: number;
  /** ONNX Runtime's names, best first. Default `["cpu"]`. One that is not there is an error, never skipped. */
  executionProviders?: readonly string[];
  /** Keep freed memory for the next run. Default false: one long input would hold its peak for ever. */
  arena?: boolean;
  /**
   * How long an idle thread looks for work before it sleeps. Default 0: two sessions that spin on the same cores halve
   * each other's speed. For one that runs alone on several threads 200 saves a seventh of a short run's time.
   */
  spinMicroseconds?: number;
  /** How far ONNX Runtime rewrites the graph. Default `all`. */
  optimization?: "disabled" | "basic" | "extended" | "all";
}

/** An input or output of an open graph. */
export interface SessionValue {
  name: string;
  /** Null for what is no tensor (sequences, maps), which is never fetched. */
  dtype: Dtype | null;
  /** Names for open dimensions, which may be empty. */
  shape: (number | string)[];
}

/** An open graph. */
export interface Session {
  readonly inputs: readonly SessionValue[];
  readonly outputs: readonly SessionValue[];
  readonly executionProviders: readonly string[];
  /**
   * Runs the graph; blocks the thread while it does. `fetches`: names of outputs, default all that are tensors.
   * Throws `tensor-invalid` for feeds the runtime can't take, `out-of-memory`, else `run-failed`.
   */
  run(feeds: ReadonlyMap<string, Tensor>, fetches?: readonly string[]): Promise<Map<string, Tensor>>;
  /** Frees the graph's memory. Idempotent. */
  close(): Promise<void>;
}

/** Opens a graph file, external data beside it. Throws `session-failed`, or `out-of-memory`. */
export type OpenSession = (path: string, options: SessionOptions) => Promise<Session>;
