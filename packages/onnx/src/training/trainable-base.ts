import type { GraphBuilder } from "../graph-builder.ts";
import type { ModelProto } from "../schema.ts";
import type { Value } from "../value.ts";

/** A module's graph, cut at its trainable weights. */
export interface TrainableBase {
  /**
   * What comes before the weights (for texts: strings → rows of the tables). It doesn't change while training and runs
   * once for each example. Its outputs are the `rows` and `feeds` below.
   */
  front: ModelProto;
  /** Tables of embeddings, and the front's output, int64 [batch, any], that says which rows of them an example needs. */
  tables: readonly TrainableTable[];
  /** Further outputs of the front that the rest of the graph reads: inputs of the step under the same names. */
  feeds: readonly { name: string; width: number }[];
  /** Opset that the rest of the graph is written for. */
  opset: number;
  /** Numbers of the base's output. */
  features: number;
  /**
   * Appends the rest of the graph and gives the base's output [batch, features]. `inputs` has, by name, what was read of
   * each table (the sums of an example's rows [batch, dimensions], or its rows [batch, any, dimensions]), and the feeds.
   */
  append(g: GraphBuilder, inputs: ReadonlyMap<string, Value>): Value;
  /** The base with other tables, float32, row-major. */
  withTables(tables: ReadonlyMap<string, Float32Array>): ModelProto;
}

export interface TrainableTable {
  name: string;
  rows: number;
  dimensions: number;
  /** The front's output that says which rows: int64 [batch, any], padded with a row of zeros. */
  rowsFrom: string;
  /** How the rest of the graph reads it; see `TableProgram`. */
  reads: "sums" | "positions";
  /** The weights as they are, float32 row-major; dequantised where they are stored as int8. */
  read(): Float32Array;
}
