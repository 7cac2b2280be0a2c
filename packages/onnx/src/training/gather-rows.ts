import { problem } from "@modulehub/core/problem";
import { makeMessage } from "../decode.ts";
import type { ModelProto, ValueInfoProto } from "../schema.ts";
import { type Dimension, tensorValue } from "../value-type.ts";

/** Rows of a table that a model takes, and where they come from instead. */
export interface GatheredRows {
  /** The input that takes them. */
  input: string;
  /** The whole table, float32. */
  table: { name: string; shape: readonly Dimension[] };
  /** Which rows: int32, of as many axes as there are before the row's own. */
  rows: { name: string; shape: readonly Dimension[] };
}

/**
 * A model that takes whole tables and the numbers of rows where another takes the rows. The runtime reads tables where
 * they lie and fetches rows with all of its threads, which takes a third of the time that a loop outside would.
 */
export function gatherRows(model: ModelProto, gathered: readonly GatheredRows[]): ModelProto {
  const { graph } = model;
  if (!graph) throw problem("not-onnx", "The model has no graph.");
  const replaced = new Set(gathered.map(({ input }) => input));
  const inputs = new Map<string, ValueInfoProto>();
  for (const value of graph.input) if (!replaced.has(value.name ?? "")) inputs.set(value.name ?? "", value);
  for (const { table, rows } of gathered) {
    inputs.set(table.name, tensorValue(table.name, "float32", table.shape));
    inputs.set(rows.name, tensorValue(rows.name, "int32", rows.shape));
  }
  const nodes = gathered.map(({ input, table, rows }) =>
    makeMessage("NodeProto", {
      name: `rows ${input}`,
      opType: "Gather",
      input: [table.name, rows.name],
      output: [input],
    }),
  );
  return { ...model, graph: { ...graph, input: [...inputs.values()], node: [...nodes, ...graph.node] } };
}
