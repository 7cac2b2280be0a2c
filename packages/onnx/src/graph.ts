import type { Dtype } from "@modulehub/core/dtype";
import { problem } from "@modulehub/core/problem";
import { elementCount, type Tensor, tensorFromBytes } from "@modulehub/core/tensor";
import { attributeToProto } from "./attribute.ts";
import { makeMessage } from "./decode.ts";
import { modelBytes } from "./encode.ts";
import type { AttributeKind, Attributes, Operator } from "./operators/operator.ts";
import { OPERATORS, type OperatorName } from "./operators/table.ts";
import type { ModelProto, NodeProto } from "./schema.ts";
import { tensorToProto } from "./tensor-proto.ts";
import { knownElements, Value } from "./value.ts";
import { type Dimension, tensorValue } from "./value-type.ts";

export interface GraphOptions {
  name?: string;
  /** Opset of the default domain; 21 unless told. Operators that it lacks are refused while building. */
  opset?: number;
  description?: string;
}

/** Opsets of the other domains, where operators of theirs are used. LabelEncoder exists since version 2. */
const DOMAIN_OPSETS: Record<string, number> = { "ai.onnx.ml": 3, "com.microsoft": 1 };

/** Oldest IR version that may carry an opset. Source: ONNX, docs/Versioning.md. */
const IR_OF_OPSET: readonly (readonly [opset: number, ir: number])[] = [
  [23, 11],
  [21, 10],
  [19, 9],
  [15, 8],
  [0, 7],
];

/** A node of a graph that is being written. */
export interface AppendedNode {
  readonly name: OperatorName;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
}

/** A graph that is being written; `GraphBuilder` is this with a method for every operator. */
export class Graph {
  readonly opset: number;
  readonly #name: string;
  readonly #description: string | undefined;
  readonly #inputs: Value[] = [];
  readonly #outputs: Value[] = [];
  readonly #initializers: { value: Value; tensor: Tensor }[] = [];
  readonly #small = new Map<string, Value>();
  readonly #nodes: AppendedNode[] = [];
  readonly #names = new Set<string>();
  readonly #counts = new Map<string, number>();
  readonly #domains = new Set<string>();

  constructor({ name = "graph", opset = 21, description }: GraphOptions = {}) {
    this.#name = name;
    this.opset = opset;
    this.#description = description;
  }

  /** An input that is fed when the graph runs; a name in the shape is a size that may vary. */
  input(name: string, dtype: Dtype, shape: readonly Dimension[]): Value {
    const value = new Value(this.#take(name), "input", { dtype, shape });
    this.#inputs.push(value);
    return value;
  }

  /** A tensor that is stored in the graph. Its bytes are not copied: don't change them until the model is made. */
  constant(tensor: Tensor, name?: string): Value {
    if (tensor.data.length !== elementCount(tensor.shape) && !tensor.dtype.includes("4"))
      throw problem(
        "graph-invalid",
        `A constant of shape [${tensor.shape}] has ${tensor.data.length} elements.`,
      );
    const known = knownElements(tensor);
    const value = new Value(this.#take(name ?? this.#next("constant")), "initializer", {
      dtype: tensor.dtype,
      shape: tensor.shape,
      ...(known && { known }),
    });
    this.#initializers.push({ value, tensor });
    return value;
  }

  /** A single number; equal ones are stored once. */
  scalar(
    value: number,
    dtype: "float32" | "int64" | "int32" | "bool" | "float64" | "uint32" = "float32",
  ): Value {
    return this.#shared(`${dtype} ${Object.is(value, -0) ? "-0" : value}`, () => small(dtype, [], [value]));
  }

  /** A one-dimensional int64 tensor: axes, shapes, indices. Equal ones are stored once. */
  ints(values: readonly number[]): Value {
    return this.#shared(`int64 [${values}]`, () => small("int64", [values.length], values));
  }

  /** A string tensor of shape `[]`; equal ones are stored once. */
  text(value: string): Value {
    return this.#shared(`string ${value}`, () => ({ dtype: "string", shape: [], data: [value] }));
  }

  /** Appends a node and gives its outputs, of which there are `outputs`. The methods are shorthands for this. */
  nodes(
    name: OperatorName,
    inputs: readonly (Value | null | undefined)[],
    attributes: Attributes,
    outputs: number,
  ): Value[] {
    const entry: Operator = OPERATORS[name];
    const fed = inputs.map((input) => input ?? undefined);
    while (fed.length > 0 && fed.at(-1) === undefined) fed.pop();
    this.#check(name, entry, fed, attributes, outputs);
    const inferred = this.#infer(name, entry, fed, attributes, outputs);
    const values = inferred.slice(0, outputs).map((type) => {
      const value = new Value(this.#take(this.#next(name)), "node", type);
      return value;
    });
    this.#nodes.push({ name, inputs: fed, outputs: values, attributes });
    if (entry.domain !== "") this.#domains.add(entry.domain);
    return values;
  }

  /** The nodes so far, each behind those whose outputs it takes. */
  appended(): readonly AppendedNode[] {
    return [...this.#nodes];
  }

  /** Makes a value an output under a name of your own. */
  output(name: string, value: Value): Value {
    const output = value.origin !== "node" || this.#outputs.includes(value) ? this.#copy(value) : value;
    this.#names.delete(output.name);
    output.name = this.#take(name);
    this.#outputs.push(output);
    return output;
  }

  /** The model; its tensors share the memory of the constants. Throws `graph-invalid` without outputs. */
  toModel(): ModelProto {
    if (this.#outputs.length === 0)
      throw problem("graph-invalid", "The graph has no outputs; name one with output().");
    const used = this.#used();
    const irVersion = IR_OF_OPSET.find(([opset]) => this.opset >= opset)?.[1] ?? 7;
    const opsets = [
      ["", this.opset] as const,
      ...[...this.#domains].sort().map((d) => [d, DOMAIN_OPSETS[d] ?? 1] as const),
    ];
    return makeMessage("ModelProto", {
      irVersion: BigInt(irVersion),
      producerName: "modulehub",
      opsetImport: opsets.map(([domain, version]) =>
        makeMessage("OperatorSetIdProto", { domain, version: BigInt(version) }),
      ),
      ...(this.#description !== undefined && { docString: this.#description }),
      graph: makeMessage("GraphProto", {
        name: this.#name,
        node: this.#nodes.filter((node) => used.has(node)).map((node, index) => toNode(node, index)),
        initializer: this.#initializers
          .filter(({ value }) => used.has(value))
          .map(({ value, tensor }) => tensorToProto(value.name, tensor)),
        input: this.#inputs.map((value) => tensorValue(value.name, value.dtype, value.shape)),
        output: this.#outputs.map((value) => tensorValue(value.name, value.dtype, value.shape)),
      }),
    });
  }

  /** The model as the bytes of an .onnx file. */
  toBytes(): Uint8Array {
    return modelBytes(this.toModel());
  }

  /** Nodes and constants that an output needs. */
  #used(): Set<object> {
    const used = new Set<object>(this.#outputs);
    for (const node of this.#nodes.toReversed()) {
      if (!node.outputs.some((value) => used.has(value))) continue;
      used.add(node);
      for (const input of node.inputs) if (input) used.add(input);
    }
    return used;
  }

  #copy(value: Value): Value {
    const [copy] = this.nodes("Identity", [value], {}, 1);
    if (!copy) throw new TypeError("Identity has one output");
    return copy;
  }

  #check(
    name: string,
    entry: Operator,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    outputs: number,
  ): void {
    const refuse = (detail: string) => problem("graph-invalid", `${name}: ${detail}`);
    const opset = entry.domain === "" ? this.opset : (DOMAIN_OPSETS[entry.domain] ?? 1);
    if (opset < entry.since)
      throw refuse(`the operator needs opset ${entry.since}, the graph is of ${opset}.`);
    const repeats = entry.inputs.at(-1)?.endsWith("...");
    if (!repeats && inputs.length > entry.inputs.length)
      throw refuse(`it takes ${entry.inputs.length} inputs.`);
    if (repeats && inputs.length === 0) throw refuse("it takes at least one input.");
    const least = entry.leastOutputs ?? 1;
    if (outputs < least || outputs > entry.outputs)
      throw refuse(`it has ${least} to ${entry.outputs} outputs.`);
    entry.inputs.forEach((spec, index) => {
      const input = inputs[index];
      if (!/[?.]$/.test(spec) && !input) throw refuse(`the input "${spec}" is missing.`);
      const since = entry.inputSince?.[spec.replace("?", "")] ?? 0;
      if (input && this.opset < since)
        throw refuse(`"${spec.replace("?", "")}" is an attribute before opset ${since}.`);
    });
    for (const key of Object.keys(attributes)) {
      const until = entry.inputSince?.[key];
      if (!entry.attributes[key]) throw refuse(`it has no attribute "${key}".`);
      if (until !== undefined && this.opset >= until)
        throw refuse(`"${key}" is an input since opset ${until}.`);
    }
    for (const [key, spec] of Object.entries(entry.attributes))
      if (spec.endsWith("!") && attributes[key] === undefined)
        throw refuse(`the attribute "${key}" is missing.`);
  }

  #infer(
    name: string,
    entry: Operator,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    outputs: number,
  ) {
    try {
      return entry.infer({ inputs, attributes, outputs });
    } catch (error) {
      throw error instanceof Error && "code" in error
        ? problem("graph-invalid", `${name}: ${error.message}`)
        : error;
    }
  }

  #shared(key: string, make: () => Tensor): Value {
    const known = this.#small.get(key);
    if (known) return known;
    const value = this.constant(make());
    this.#small.set(key, value);
    return value;
  }

  #next(kind: string): string {
    let name = "";
    do {
      const count = (this.#counts.get(kind) ?? 0) + 1;
      this.#counts.set(kind, count);
      name = `${kind}_${count}`;
    } while (this.#names.has(name));
    return name;
  }

  #take(name: string): string {
    if (name === "" || this.#names.has(name))
      throw problem("graph-invalid", `The name "${name}" is taken or empty; every value needs its own.`);
    this.#names.add(name);
    return name;
  }
}

/** A tensor of a few numbers. */
export function small(
  dtype: "float32" | "int64" | "int32" | "bool" | "float64" | "uint32",
  shape: number[],
  values: readonly number[],
): Tensor {
  const data = {
    float32: () => Float32Array.from(values),
    float64: () => Float64Array.from(values),
    int32: () => Int32Array.from(values),
    uint32: () => Uint32Array.from(values),
    bool: () => Uint8Array.from(values),
    int64: () => BigInt64Array.from(values, BigInt),
  }[dtype]();
  return tensorFromBytes(dtype, shape, new Uint8Array(data.buffer));
}

function toNode(node: AppendedNode, index: number): NodeProto {
  const entry: Operator = OPERATORS[node.name];
  return makeMessage("NodeProto", {
    name: `${node.name}_${index}`,
    opType: node.name,
    ...(entry.domain !== "" && { domain: entry.domain }),
    input: node.inputs.map((input) => input?.name ?? ""),
    output: node.outputs.map((output) => output.name),
    attribute: Object.entries(node.attributes).flatMap(([key, value]) => {
      const kind = entry.attributes[key]?.replace("!", "") as AttributeKind | undefined;
      return value === undefined || !kind ? [] : [attributeToProto(key, kind, value)];
    }),
  });
}
