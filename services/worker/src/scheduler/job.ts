import type { Batching, Tensor } from "@modulehub/core";
import type { RequestSpan } from "@modulehub/tracing";
import type { PooledModule } from "../engines/pool.ts";
import { type BatchLimits, SINGLE, TENSOR_LIMITS, TOKEN_LIMITS, WORD_LIMITS } from "./batch-forming.ts";
import type { Ticket } from "./fair-order.ts";
import { kindOf, type Work } from "./work.ts";

/** What is to be run: a signature of a module, with what inspection proved of it. */
export interface Target {
  module: PooledModule;
  signature: string;
  batching: Batching;
}

export interface Submission {
  /** Opaque name of who asks. */
  caller: string;
  /** Aborted when the client has gone: what waits is forgotten. */
  signal: AbortSignal;
  /** On performance.now()'s clock: what hasn't begun by then isn't begun. */
  deadline: number;
  /**
   * `background`: work that serves nobody now, such as a training job's embeddings. It is never refused for want of
   * room (who submits it waits for each answer before the next), runs one batch at a time at the lowest priority, and
   * only while no other work waits. Default: someone waits for it.
   */
  priority?: "background";
  /** Told what the request waited for and what ran of it. */
  span?: Pick<RequestSpan, "part">;
}

/** Items of one kind that wait: any of them may run together. */
export interface Lane {
  readonly key: string;
  readonly target: Target;
  /** What costs are learned by: the module and its signature. */
  readonly costKey: string;
  readonly limits: BatchLimits;
  /** In the order in which they came. */
  queue: Job[];
  /** No deadline of those that wait is earlier; those that have begun meanwhile may have had it. */
  earliest: number;
}

/** One item of a request, from when it is let in until its answer is known. */
export interface Job extends Work {
  lane: Lane;
  readonly ticket: Ticket<Job>;
  /** Milliseconds of one core that it is estimated to take. */
  readonly workMs: number;
  readonly submission: Submission;
  readonly enqueued: number;
  /** Told how many milliseconds it waited, when it first runs. */
  begun?: ((waitedMs: number) => void) | undefined;
  /** It was in a batch that failed: it runs again without mates, so that they don't answer for one another. */
  alone: boolean;
  /** Engines that died while it ran alone. */
  deaths: number;
  /** Nobody waits for it any more. */
  settled: boolean;
  resolve(fetches: Map<string, Tensor>): void;
  reject(error: Error): void;
}

export const costKeyOf = ({ module, signature }: Target): string => `${module.digest} ${signature}`;

/** What the cost keys of a module's signatures begin with. */
export const costKeysOf = (digest: string): string => `${digest} `;

/** The lane that an item belongs to, not yet among any. */
export function laneFor(target: Target, feeds: ReadonlyMap<string, Tensor>): Lane {
  const { batching } = target;
  const kind = batching === "none" ? undefined : kindOf(feeds, batching);
  const costKey = costKeyOf(target);
  const limits = kind === undefined ? SINGLE : limitsOf(target, feeds);
  return { key: `${costKey} ${kind ?? ""}`, target, costKey, limits, queue: [], earliest: Infinity };
}

function limitsOf({ batching }: Target, feeds: ReadonlyMap<string, Tensor>): BatchLimits {
  if (batching !== "none" && Object.keys(batching.pad).length > 0) return TOKEN_LIMITS;
  const texts = [...feeds.values()].some(({ dtype }) => dtype === "string");
  return texts ? WORD_LIMITS : TENSOR_LIMITS;
}

/** Longest × count: what a batch computes, with its padding. */
export const costOf = (batch: readonly Job[]): number =>
  Math.max(...batch.map(({ length }) => length)) * batch.length;

export const isBackground = ({ submission }: Pick<Job, "submission">): boolean =>
  submission.priority === "background";
