import type { Dtype } from "@modulehub/core/dtype";
import type { ByteSource } from "./byte-source.ts";
import { type DecodeLimits, decodeModel } from "./decode.ts";
import { domainOf, modelNodes, modelTensors, operatorName } from "./graph-walk.ts";
import type { ModelProto, ValueInfoProto } from "./schema.ts";
import { EXTERNAL, externalEntries, inlineLength, rawLength, tensorShape } from "./tensor-proto.ts";
import { type Dimension, type ValueType, valueType } from "./value-type.ts";

/** An input or output of a graph. */
export interface ModelValue {
  name: string;
  /** A dtype, or the kind of a value that is no tensor, such as `sequence`, which can't be served. */
  type: Dtype | Exclude<ValueType["kind"], "tensor">;
  /** Null where the rank is open, and for what is no tensor. */
  shape: Dimension[] | null;
  /** What it is in words where it is no tensor: `sequence(map(int64, float32))`. */
  description?: string;
}

/** A tensor's data in another file, as the graph says it: nothing of it is checked. */
export interface ExternalTensor {
  tensor: string;
  /** Relative to the folder of the graph. */
  location: string;
  /** Bytes. */
  offset: number;
  /** Bytes; null where the graph leaves it to the shape. */
  length: number | null;
}

export interface ModelSummary {
  irVersion: number;
  /** Versions by domain; the default domain is "". */
  opsets: Record<string, number>;
  /** Name and version of the exporter; empty where it says nothing. */
  producer: string;
  description: string;
  /** What must be fed: without those that have an initializer as their default. */
  inputs: ModelValue[];
  outputs: ModelValue[];
  /** Of the graph, the graphs inside it, and functions. */
  nodes: number;
  /** Nodes by operator, most frequent first; outside the default domain `domain::Operator`. */
  operators: Record<string, number>;
  /** Elements of the graph's initializers and constants, and the bytes they take. */
  parameters: number;
  parameterBytes: number;
  externalData: ExternalTensor[];
  /** `metadata_props`. */
  metadata: Record<string, string>;
}

/**
 * What a model is, without reading its tensors: for a model of 1 GB some hundred KB are read. Throws as
 * `decodeModel`, and `graph-invalid` for tensors of impossible shape.
 */
export function readModel(source: ByteSource | Uint8Array, limits?: DecodeLimits): ModelSummary {
  return summarizeModel(decodeModel(source, limits));
}

/** The same of a model that is decoded already. */
export function summarizeModel(model: ModelProto): ModelSummary {
  const graph = model.graph;
  const defaults = new Set(graph?.initializer.map((tensor) => tensor.name ?? ""));
  for (const sparse of graph?.sparseInitializer ?? []) defaults.add(sparse.values?.name ?? "");
  const operators = new Map<string, number>();
  let nodes = 0;
  for (const node of modelNodes(model)) {
    nodes += 1;
    operators.set(operatorName(node), (operators.get(operatorName(node)) ?? 0) + 1);
  }
  const summary: ModelSummary = {
    irVersion: Number(model.irVersion ?? 0n),
    opsets: record(model.opsetImport.map(({ domain, version }) => [domainOf(domain), Number(version ?? 0n)])),
    producer: [model.producerName, model.producerVersion].filter(Boolean).join(" "),
    description: model.docString || graph?.docString || "",
    inputs: (graph?.input ?? []).filter((value) => !defaults.has(value.name ?? "")).map(modelValue),
    outputs: (graph?.output ?? []).map(modelValue),
    nodes,
    operators: record([...operators].sort((a, b) => b[1] - a[1])),
    parameters: 0,
    parameterBytes: 0,
    externalData: [],
    metadata: record(model.metadataProps.map(({ key, value }) => [key ?? "", value ?? ""])),
  };
  for (const tensor of modelTensors(model)) {
    summary.parameters += tensorShape(tensor).reduce((a, b) => a * b, 1);
    summary.parameterBytes += rawLength(tensor) ?? inlineLength(tensor);
    if (tensor.dataLocation !== EXTERNAL) continue;
    const entries = externalEntries(tensor);
    summary.externalData.push({
      tensor: tensor.name ?? "",
      location: entries?.get("location") ?? "",
      offset: Number(entries?.get("offset") ?? 0),
      length: entries?.has("length") ? Number(entries.get("length")) : null,
    });
  }
  return summary;
}

/** Makes `__proto__` a key like any other, which assignment would not. */
const record = <T>(entries: Iterable<[string, T]>): Record<string, T> => Object.fromEntries(entries);

function modelValue(value: ValueInfoProto): ModelValue {
  const type = valueType(value.type);
  const name = value.name ?? "";
  if (type.kind === "tensor") return { name, type: type.dtype, shape: type.shape };
  return { name, type: type.kind, shape: null, description: type.text };
}
