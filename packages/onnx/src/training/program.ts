import type { ModelProto } from "../schema.ts";

/**
 * A training run as graphs, and what has to be fed to them. All tensors are float32 unless said otherwise. Names of
 * a program's tensors:
 *
 * | Tensor | In | Out |
 * |---|---|---|
 * | `features` [batch, width] (frozen base), or what `TrainableBase.feeds` names | both graphs | |
 * | `labels`: int64 [batch] for softmax; [batch, outputs] for sigmoid (0 or 1) and linear | both | |
 * | `exampleWeights` [batch]: 0 leaves a row out | both | |
 * | `classWeights` [outputs] | both | |
 * | `learningRate` [], `stepNumber` [] (from 1 on) | steps | |
 * | each of `masks` [batch, width]: 0, or 1 ÷ (1 − dropout) | steps | |
 * | each of `parameters` | both | `next/NAME` of steps |
 * | each of `state` | steps | `next/NAME` of steps |
 * | `loss` []: without the L2 term; `finite` bool []: loss and all gradients are finite | | steps |
 * | `loss` []; `weight` []: what the loss was divided by, so that losses of batches add up; `logits` [batch, outputs] | | evaluate |
 *
 * One run of `steps` makes `count` (int64 []) steps. What changes from step to step has a first axis of `count` more than
 * the table says; that is all but the parameters and the state. Its `loss` and `finite` are [count].
 */
export interface TrainingProgram {
  /** Forward, loss, backward, update, so many times. */
  steps: ModelProto;
  /** Forward and loss, without dropout. */
  evaluate: ModelProto;
  /** Trained tensors that go in and out whole, in a fixed order. */
  parameters: readonly ParameterSpec[];
  /** What the optimiser keeps of each parameter. */
  state: readonly StateSpec[];
  /** Embedding tables of which only the touched rows go in and out; empty with a frozen base. */
  tables: readonly TableProgram[];
  masks: readonly MaskSpec[];
  output: { kind: "softmax" | "sigmoid" | "linear"; width: number };
}

export interface ParameterSpec {
  name: string;
  shape: readonly number[];
  initial: Initialization;
}

/**
 * How a parameter starts. `glorot-uniform`: U(−a, a), a = √(6 / (in + out)) (Glorot and Bengio 2010). `he-normal`:
 * N(0, 2 / in) (He et al. 2015).
 */
export type Initialization =
  | { kind: "zeros" }
  | { kind: "glorot-uniform"; fanIn: number; fanOut: number }
  | { kind: "he-normal"; fanIn: number };

export interface StateSpec {
  name: string;
  shape: readonly number[];
  /** The number that all elements start with. */
  initial: number;
}

export interface MaskSpec {
  name: string;
  width: number;
  /** Counted from 0; part of the generator's key. */
  layer: number;
  dropout: number;
}

/** Rows of a table that one example alone has, and once, are added up by so many. */
export const LONE_GROUP = 8;

/**
 * A table in the graphs. They take all of it, `NAME` [rows, dimensions], and the numbers of the rows that the batch needs,
 * each once, in any order: `NAME/touched/rows` int32 [unique]. Steps gives those rows back updated as `next/NAME/touched`
 * [unique, dimensions]. The same for each state, `STATE` [rows, dimensions] and `next/STATE/touched`, of the same rows.
 * Which of them an example has is said in one of two ways:
 *
 * - `positions`: `NAME/positions` int64 [batch, any], the place among the touched, or `unique` for a row of zeros.
 * - `sums`, where the graph needs the sums of an example's rows only: `NAME/counts` [batch, unique], how often. Most rows
 *   of a batch of texts are had once, by one example: of those, `NAME/lone/rows` [groups, 8] has eight of one example in
 *   each group, and `NAME/owners` [batch, groups] 1 where a group is of an example. That keeps `counts`, which is nearly
 *   all zeros, small. They come back as `next/NAME/lone` [groups, 8, dimensions].
 *
 * Rows that are all zeros at the start (padding, words that count for nothing) stay so: they are never touched.
 */
export interface TableProgram {
  name: string;
  rows: number;
  dimensions: number;
  reads: "sums" | "positions";
  state: readonly { name: string; initial: number }[];
}

/** The parts that the rows of a batch come in: the names of the graphs' inputs end so. */
export type TablePart = "touched" | "lone";

export const tableParts = ({ reads }: Pick<TableProgram, "reads">): readonly TablePart[] =>
  reads === "sums" ? ["touched", "lone"] : ["touched"];
