import { type ProblemError, problem } from "@modulehub/core/problem";
import type { Tensor } from "@modulehub/core/tensor";
import { makeMessage } from "../decode.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { cutOutputs, opsetOf, prune } from "../graph-editor.ts";
import { allNodes, operatorName, subgraphs } from "../graph-walk.ts";
import { inferTypes } from "../infer-types.ts";
import { type Inferred, isFloat } from "../operators/operator.ts";
import type { GraphProto, ModelProto, NodeProto, TensorProto } from "../schema.ts";
import { tensorToProto } from "../tensor-proto.ts";
import type { Value } from "../value.ts";
import { gradientMissing } from "./differentiate.ts";
import { type EmbeddingUse, embeddingUses } from "./embedding-use.ts";
import { hasGradientRule, liftNodes } from "./lift.ts";

/** A module's graph, cut at its trainable weights. */
export interface TrainableBase {
  /**
   * What comes before the weights (for texts: strings → rows of the tables). It doesn't change while training and runs
   * once for each example. Its outputs are the `rowsFrom` and `feeds` below.
   */
  front: ModelProto;
  /** Tables of embeddings, and the front's output that says which rows of them an example needs. */
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
  /** The base with other tables, float32, row-major. Output and inputs are those of the base. */
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

type Types = ReadonlyMap<string, Inferred>;

/** Oldest opset that the gradient rules write their nodes for. */
const LEAST_OPSET = 13;

/**
 * Cuts a graph at its embedding tables: those that a Gather along the first axis reads, float32, or int8 with a scale a
 * row. `output` is the embedding, float32 [batch, features]. Throws `trainable-missing` where there are none, one is
 * read in two places, or what comes after them reads what can't be kept for each example, named with its operator;
 * `gradient-missing` where there are none and an operator of the graph has no gradient rule; `output-unknown` for an
 * output that isn't there.
 */
export function cutAtTables(model: ModelProto, output: string): TrainableBase {
  const cut = cutOutputs(model, [output]);
  const { graph } = cut;
  if (!graph) throw problem("not-onnx", "The model has no graph.");
  const opset = opsetOf(cut);
  if (opset < LEAST_OPSET)
    throw problem("trainable-missing", `The graph is of opset ${opset}; training needs ${LEAST_OPSET}.`);
  const uses = embeddingUses(graph);
  const types = inferTypes(graph);
  if (uses.length === 0) throw noTables(graph, types);
  checkReadOnce(graph, uses);
  const rest = restOf(graph, uses);
  const feeds = rest.reads.map((name) => ({ name, width: feedWidth(name, graph, types) }));
  for (const { rowsFrom, table } of uses) checkRows(rowsFrom, table.name, graph, types);
  const fronts = [...new Set([...uses.map(({ rowsFrom }) => rowsFrom), ...feeds.map(({ name }) => name)])];
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name ?? "", tensor]));
  return {
    front: cutOutputs(model, fronts),
    tables: uses.map(({ table, rowsFrom, reads }) => ({ ...table, rowsFrom, reads })),
    feeds,
    opset,
    features: feedWidth(output, graph, types),
    append(g, inputs) {
      const values = new Map<string, Value>();
      const feed = (name: string, from: string) => {
        const value = inputs.get(from);
        if (value) values.set(name, value);
      };
      for (const { name } of feeds) feed(name, name);
      for (const { table, replaces } of uses) feed(replaces, table.name);
      liftNodes(g, rest.nodes, values, initializers);
      const value = values.get(output);
      if (!value) throw problem("graph-invalid", `The rest of the graph doesn't make "${output}".`);
      return value;
    },
    withTables: (tables) => withTables(model, uses, tables),
  };
}

/** The nodes behind the tables, with those that make constants for them, and what they read of the front. */
function restOf(graph: GraphProto, uses: readonly EmbeddingUse[]): { nodes: NodeProto[]; reads: string[] } {
  const read = new Set(uses.map(({ replaces }) => replaces));
  const behind = new Set<NodeProto>();
  const constants = new Set(graph.initializer.map(({ name }) => name ?? ""));
  const constantNodes = new Set<NodeProto>();
  const reached = new Set(read);
  for (const node of graph.node) {
    if (node.output.some((name) => read.has(name))) continue;
    const inputs = node.input.filter((name) => name !== "");
    const isBehind = inputs.some((name) => reached.has(name));
    const isConstant = inputs.every((name) => constants.has(name));
    if (isBehind) behind.add(node);
    else if (isConstant) constantNodes.add(node);
    for (const name of node.output) {
      if (isBehind) reached.add(name);
      else if (isConstant) constants.add(name);
    }
  }
  const needed = new Set([...behind].flatMap(({ input }) => input));
  for (const node of [...constantNodes].reverse()) {
    if (!node.output.some((name) => needed.has(name))) continue;
    behind.add(node);
    for (const name of node.input) needed.add(name);
  }
  const nodes = graph.node.filter((node) => behind.has(node));
  const reads = [...needed].filter((name) => name !== "" && !reached.has(name) && !constants.has(name));
  return { nodes, reads };
}

/** Why a graph without tables can't be trained: an operator that its other weights could only be trained through, if any. */
function noTables({ node }: GraphProto, types: Types): ProblemError {
  const isOfNumbers = (name: string) => isFloat(types.get(name)?.dtype ?? "float32");
  const without = node.find((each) => !hasGradientRule(each) && isOfNumbers(each.output[0] ?? ""));
  return without
    ? gradientMissing(operatorName(without), without.output[0] ?? "")
    : problem("trainable-missing", "The graph has no embedding table that a Gather reads.");
}

/** Numbers an example of what is kept for each example. */
function feedWidth(name: string, graph: GraphProto, types: Types): number {
  const type = types.get(name);
  const width = type?.shape[1];
  if (type?.dtype !== "float32" || type.shape.length !== 2 || typeof width !== "number")
    throw notKept(name, "beside the embedding table", "float32 [batch, number]", { graph, types });
  return width;
}

/**
 * Throws `trainable-missing` where a table is read besides the Gather of its use, by a graph inside a node too: training
 * feeds an example's rows of it, so that whoever reads the whole matrix, as tied weights do, would miss the others.
 */
function checkReadOnce(graph: GraphProto, uses: readonly EmbeddingUse[]): void {
  const reads = new Map(uses.map(({ table }) => [table.name, 0]));
  const count = (name = "") => {
    const before = reads.get(name);
    if (before !== undefined) reads.set(name, before + 1);
  };
  for (const { name } of graph.output) count(name);
  for (const node of allNodes(graph.node)) {
    for (const name of node.input) count(name);
    for (const inner of subgraphs(node)) for (const { name } of inner.output) count(name);
  }
  for (const [name, times] of reads)
    if (times > 1)
      throw problem(
        "trainable-missing",
        `The embedding table ${JSON.stringify(name.slice(0, 80))} is read in ${times} places; train the head alone.`,
      );
}

/** Throws `trainable-missing` unless a table is read by a list of rows for each example, such as its words. */
function checkRows(rowsFrom: string, table: string, graph: GraphProto, types: Types): void {
  const type = types.get(rowsFrom);
  const isOfExamples = type?.shape.length === 2 && typeof type.shape[0] !== "number";
  if (type?.dtype === "int64" && isOfExamples) return;
  const of = `for the rows of "${table.slice(0, 80)}"`;
  throw notKept(rowsFrom, of, "int64 [batch, any]", { graph, types });
}

/** The refusal of what would have to be kept for each example, by the name of the operator that makes it. */
function notKept(
  name: string,
  where: string,
  wanted: string,
  { graph, types }: { graph: GraphProto; types: Types },
): ProblemError {
  const maker = graph.node.find(({ output }) => output.includes(name));
  const type = types.get(name);
  const made = type
    ? `${type.dtype} [${type.shape.map((size) => size ?? "?").join(", ")}]`
    : "what is unknown";
  return problem(
    "trainable-missing",
    `${maker ? operatorName(maker) : "An input"}, which makes ${JSON.stringify(name.slice(0, 80))} ${where}, gives ${made}, not ${wanted}; train the head alone.`,
  );
}

/** Each use of a table becomes a Gather of the new one, which is float32 whatever the old one was. */
function withTables(
  model: ModelProto,
  uses: readonly EmbeddingUse[],
  tables: ReadonlyMap<string, Float32Array>,
): ModelProto {
  const { graph } = model;
  if (!graph) throw problem("not-onnx", "The model has no graph.");
  const byOutput = new Map(uses.map((use) => [use.vectors, use]));
  const node = graph.node.map((old) => {
    const use = byOutput.get(old.output[0] ?? "");
    if (!use) return old;
    return makeMessage("NodeProto", {
      name: old.name,
      opType: "Gather",
      input: [trainedName(use), use.rowsFrom],
      output: [use.vectors],
    });
  });
  const initializer = uses.map((use): TensorProto => {
    const { name, rows, dimensions } = use.table;
    const data = tables.get(name);
    if (data?.length !== rows * dimensions)
      throw problem("graph-invalid", `The trained table "${name}" is missing or of another size.`);
    const tensor: Tensor = { dtype: "float32", shape: [rows, dimensions], data };
    return tensorToProto(trainedName(use), tensor);
  });
  return prune({ ...model, graph: { ...graph, node, initializer: [...graph.initializer, ...initializer] } });
}

const trainedName = ({ table }: EmbeddingUse): string => `trained/${table.name}`;
