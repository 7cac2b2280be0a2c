import { DTYPES } from "@modulehub/core/dtype";
import { attributeOf } from "../attribute.ts";
import { domainOf } from "../graph-walk.ts";
import type { GraphProto, NodeProto, TensorProto } from "../schema.ts";
import { tensorFromProto, tensorShape } from "../tensor-proto.ts";

/** A place where a graph reads an embedding table. */
export interface EmbeddingUse {
  table: { name: string; rows: number; dimensions: number; read(): Float32Array };
  /** The value that says which rows. */
  rowsFrom: string;
  /** The value that the vectors of those rows are. */
  vectors: string;
  reads: "sums" | "positions";
  /** The value that training feeds: the vectors, or their sums over the rows. */
  replaces: string;
}

/** What is asked of the graph again and again. */
interface Lookup {
  initializers: ReadonlyMap<string, TensorProto>;
  /** The nodes of the main graph that read a value. */
  readers(name: string): readonly NodeProto[];
  /** The node that makes a value. */
  maker(name: string): NodeProto | undefined;
  isOutput(name: string): boolean;
}

/**
 * The embedding tables of a graph: matrices of float32 that a Gather reads along the first axis, or of int8 whose rows
 * are made float32 and multiplied with a scale a row that is read by the same indices.
 */
export function embeddingUses(graph: GraphProto): EmbeddingUse[] {
  const lookup = lookupOf(graph);
  const gathers = graph.node.filter(readsRows).flatMap((node) => {
    const tensor = lookup.initializers.get(node.input[0] ?? "");
    return tensor?.dims.length === 2 ? [{ node, tensor, scaled: scaledBy(lookup, node, tensor) }] : [];
  });
  const scales = new Set(gathers.map(({ scaled }) => scaled?.scales));
  return gathers.flatMap(({ node, tensor, scaled }) => {
    const [, rowsFrom = ""] = node.input;
    const [vectors = ""] = node.output;
    if (scaled) {
      const read = () => dequantised(tensor, scaled.scales);
      return [useOf(lookup, tensor, { rowsFrom, vectors: scaled.vectors, read })];
    }
    if (tensor.dataType !== DTYPES.float32.code || scales.has(tensor)) return [];
    return [useOf(lookup, tensor, { rowsFrom, vectors, read: () => floats(tensor) })];
  });
}

function lookupOf(graph: GraphProto): Lookup {
  const outputs = new Set(graph.output.map(({ name }) => name));
  const readers = new Map<string, NodeProto[]>();
  const makers = new Map<string, NodeProto>();
  for (const node of graph.node) {
    for (const name of new Set(node.input)) {
      const others = readers.get(name);
      if (others) others.push(node);
      else readers.set(name, [node]);
    }
    for (const name of node.output) if (name !== "") makers.set(name, node);
  }
  return {
    initializers: new Map(graph.initializer.map((tensor) => [tensor.name ?? "", tensor])),
    readers: (name) => readers.get(name) ?? [],
    maker: (name) => makers.get(name),
    isOutput: (name) => outputs.has(name),
  };
}

const isA = (node: NodeProto, opType: string): boolean =>
  node.opType === opType && domainOf(node.domain) === "";
const readsRows = (node: NodeProto): boolean =>
  isA(node, "Gather") && Number(attributeOf(node, "axis")?.i ?? 0n) === 0;

function useOf(
  lookup: Lookup,
  tensor: TensorProto,
  { rowsFrom, vectors, read }: { rowsFrom: string; vectors: string; read: () => Float32Array },
): EmbeddingUse {
  const [rows = 0, dimensions = 0] = tensorShape(tensor);
  const table = { name: tensor.name ?? "", rows, dimensions, read };
  const sums = lookup.isOutput(vectors) ? undefined : sumOver(lookup, vectors);
  return sums === undefined
    ? { table, rowsFrom, vectors, reads: "positions", replaces: vectors }
    : { table, rowsFrom, vectors, reads: "sums", replaces: sums };
}

/** The sum over the second axis, if that is all that reads the vectors. */
function sumOver({ readers, initializers }: Lookup, vectors: string): string | undefined {
  const [reader, ...others] = readers(vectors);
  if (!reader || others.length > 0 || !isA(reader, "ReduceSum")) return undefined;
  if (Number(attributeOf(reader, "keepdims")?.i ?? 1n) !== 0) return undefined;
  const axes = initializers.get(reader.input[1] ?? "");
  if (!axes) return undefined;
  const [axis, ...more] = [...tensorFromProto(axes).data].map(Number);
  return more.length === 0 && (axis === 1 || axis === -2) ? reader.output[0] : undefined;
}

/** Gather of codes → Cast → Mul with the Gather of scales by the same indices. */
function scaledBy(
  { readers, maker, initializers }: Lookup,
  codes: NodeProto,
  tensor: TensorProto,
): { vectors: string; scales: TensorProto } | undefined {
  if (tensor.dataType !== DTYPES.int8.code) return undefined;
  const [cast, ...others] = readers(codes.output[0] ?? "");
  if (!cast || others.length > 0 || !isA(cast, "Cast")) return undefined;
  const [product, ...more] = readers(cast.output[0] ?? "");
  if (!product || more.length > 0 || !isA(product, "Mul")) return undefined;
  const gather = maker(product.input.find((name) => name !== cast.output[0]) ?? "");
  if (!gather || !readsRows(gather) || gather.input[1] !== codes.input[1]) return undefined;
  const scales = initializers.get(gather.input[0] ?? "");
  if (scales?.dims.length !== 2 || scales.dims[1] !== 1n) return undefined;
  return { vectors: product.output[0] ?? "", scales };
}

function floats(tensor: TensorProto): Float32Array {
  const { dtype, data } = tensorFromProto(tensor);
  if (dtype !== "float32") throw new TypeError("The table is not float32.");
  // A copy: training changes it, and the model's bytes may be shared.
  return data.slice();
}

function dequantised(codes: TensorProto, scales: TensorProto): Float32Array {
  const [, dimensions = 1] = tensorShape(codes);
  const [from, factors] = [tensorFromProto(codes), tensorFromProto(scales)];
  if (from.dtype !== "int8" || factors.dtype !== "float32") throw new TypeError("The table is not int8.");
  return Float32Array.from(from.data, (code, at) => code * (factors.data[Math.floor(at / dimensions)] ?? 0));
}
