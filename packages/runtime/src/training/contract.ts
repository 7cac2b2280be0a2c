import type { TrainingSettings } from "@modulehub/core";
import type { Tensor } from "@modulehub/core/tensor";
import type { TrainingProgram } from "@modulehub/onnx";
import type { Session } from "../session-contract.ts";

/** Labels of a data set, a row an example, as its program's output takes them. */
export type Labels =
  /** The class of each example, counted from 0. */
  | { kind: "softmax"; classes: Int32Array }
  /** Row-major [examples, width]: 0 or 1 for `sigmoid`, any numbers for `linear`. */
  | { kind: "sigmoid" | "linear"; values: Float32Array; width: number };

/** What a batch of examples needs of one table: each example's rows, again and again where it has them often. */
export interface TableRows {
  /** Rows of the table, of all examples one after another. */
  rows: Int32Array;
  /** Where each example's rows begin in `rows`, and behind the last one its length. */
  offsets: Int32Array;
}

/** Where the features of examples come from, a batch at a time. */
export interface Features {
  readonly examples: number;
  /** Tensors for the graphs' inputs of these examples, in this order, one for each name that doesn't change. */
  feeds(examples: Uint32Array): Map<string, Tensor>;
  /** Rows of a table, by its name; only where the program has tables. */
  tableRows?(name: string, examples: Uint32Array): TableRows;
}

/** Examples with labels. */
export interface ExampleSet {
  features: Features;
  labels: Labels;
  /** A weight an example; 1 for all where absent. */
  weights?: Float32Array;
}

/** One run. All of it is said here: the same run gives the same bits, on the same CPU features and runtime version. */
export interface TrainingRun {
  program: TrainingProgram;
  settings: TrainingSettings;
  /** Sessions of `program.steps` and `program.evaluate`. */
  steps: Session;
  evaluate: Session;
  train: ExampleSet;
  /** The loss on these decides which weights are kept, and early stopping. Without: the last weights are kept. */
  validation?: ExampleSet;
  /** Row-major start of each of the program's tables. They are trained in place. */
  tables?: ReadonlyMap<string, Float32Array>;
  checkpoint?: CheckpointStore;
  /**
   * What else the run depends on, such as digests of base and data. A checkpoint of another identity, or of other
   * settings, is refused.
   */
  identity?: string;
  /** Ends the run between two steps; the run then throws the signal's reason, after a checkpoint. */
  signal?: AbortSignal;
}

/**
 * Where checkpoints lie. `write` must be atomic: after a crash `read` gives the last one that was written whole, or the
 * one before. Both work with pieces of one file, in order: tables make checkpoints of more than a buffer holds.
 */
export interface CheckpointStore {
  read(): Promise<AsyncIterable<Uint8Array> | undefined>;
  write(pieces: Iterable<Uint8Array>): Promise<void>;
}

export type TrainingEvent =
  | {
      kind: "step";
      /** Steps done, from 1 on. */
      step: number;
      /** Mean over the steps since the last event. */
      loss: number;
      learningRate: number;
      examplesPerSecond: number;
    }
  | { kind: "validation"; step: number; loss: number; best: boolean; accuracy?: number }
  | { kind: "checkpoint"; step: number }
  | { kind: "resumed"; step: number };

export interface TrainingResult {
  /** Steps done. */
  steps: number;
  /** The step whose weights these are: that of the smallest validation loss, else the last. */
  bestStep: number;
  /** Why it ended: all steps done, or no smaller validation loss for `patience` looks. */
  ended: "steps" | "early";
  /** Trained tensors by name, row-major. */
  parameters: Map<string, Float32Array>;
  /** Trained tables, row-major. */
  tables: Map<string, Float32Array>;
}
