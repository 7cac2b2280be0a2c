import { DTYPES, type Dtype } from "@modulehub/core/dtype";
import { problem } from "@modulehub/core/problem";
import { GraphBuilder } from "./graph-builder.ts";
import { joinModels, opsetOf } from "./graph-editor.ts";
import { reduce, unsqueeze } from "./portable.ts";
import type { ModelProto } from "./schema.ts";
import type { Value } from "./value.ts";
import { type Dimension, valueType } from "./value-type.ts";

/** A step that is appended to a graph as operators; the names are of tensors of the graph, or of steps before. */
export type AppendedStep =
  /** [batch, sequence, n] → [batch, n]: over the positions whose mask (int or bool [batch, sequence]) is not 0. */
  | { pool: { from: string; mask?: string; mode: "mean" | "cls" | "max"; as: string } }
  /** Rows to length 1 along the last axis; a row of zeros stays zeros. */
  | { normalize: { from: string; as: string } }
  /** Along the last axis. */
  | { softmax: { from: string; as: string } }
  | { sigmoid: { from: string; as: string } };

/** A norm below this is taken as this, as PyTorch's `normalize` does. */
const LEAST_NORM = 1e-12;

/**
 * Appends steps to a model as operators of the model's own opset. The outputs of the result are `outputs`: names of
 * steps, or of tensors that the graph had. Throws `output-unknown` for names that don't exist and `graph-invalid`
 * where a step doesn't fit its input's type, or the model's opset lacks an operator (pooling needs opset 9).
 */
export function appendSteps(
  model: ModelProto,
  steps: readonly AppendedStep[],
  outputs: readonly string[],
): ModelProto {
  const g = new GraphBuilder({ name: "steps", opset: opsetOf(model) });
  const made = new Map<string, Value>();
  const feeds = new Map<string, string>();
  const take = (name: string): Value => {
    const known = made.get(name);
    if (known) return known;
    const { dtype, shape } = declaredType(model, name);
    const value = g.input(`from/${name}`, dtype, shape);
    feeds.set(value.name, name);
    made.set(name, value);
    return value;
  };
  const ours = new Set<string>();
  for (const step of steps) {
    const { as } = Object.values(step)[0] as { as: string };
    const value = run(g, step, take);
    if (ours.has(as)) throw problem("graph-invalid", `Two steps make "${as}"; each name is made once.`);
    ours.add(as);
    made.set(as, value);
  }
  const last = outputs.filter((name) => ours.has(name));
  if (last.length === 0) throw problem("output-unknown", "None of the outputs is made by a step.");
  for (const name of last) {
    const value = made.get(name);
    if (value) g.output(name, value);
  }
  const keep = outputs.filter((name) => !ours.has(name));
  return joinModels(model, g.toModel(), { feeds, keep });
}

function run(g: GraphBuilder, step: AppendedStep, take: (name: string) => Value): Value {
  if ("pool" in step) {
    const { from, mask, mode } = step.pool;
    return poolTokens(g, take(from), mask === undefined ? null : take(mask), mode);
  }
  if ("normalize" in step) return normalizeRows(g, take(step.normalize.from));
  if ("softmax" in step) {
    const x = take(step.softmax.from);
    // Old opsets know no negative axis.
    return g.softmax(x, { axis: x.shape.length - 1 });
  }
  return g.sigmoid(take(step.sigmoid.from));
}

/**
 * Sentence vectors from token vectors [batch, sequence, n], as sentence-transformers' `Pooling` does. Mean and max
 * go over the positions whose mask isn't 0; a text without any gives zeros. `cls` is the first position.
 */
export function poolTokens(
  g: GraphBuilder,
  hidden: Value,
  mask: Value | null,
  mode: "mean" | "cls" | "max",
): Value {
  if (hidden.shape.length !== 3)
    throw problem(
      "graph-invalid",
      `Pooling takes [batch, sequence, n], not a tensor of rank ${hidden.shape.length}.`,
    );
  if (mode === "cls") return g.gather(hidden, g.scalar(0, "int64"), { axis: 1 });
  if (!mask) return reduce(g, mode === "mean" ? "ReduceMean" : "ReduceMax", hidden, [1], false);
  const to = DTYPES[hidden.dtype].code;
  // Through bool, so that a mask of weights other than 0 and 1 is one of presence.
  const present = unsqueeze(g, g.cast(mask, { to: DTYPES.bool.code }), [2]);
  const weight = g.cast(present, { to });
  const number = (value: number): Value => g.cast(g.scalar(value), { to });
  const count = reduce(g, "ReduceSum", weight, [1], false);
  // Where instead of a product: what lies at padded positions may be infinite.
  const zeros = number(0);
  if (mode === "mean") {
    const sum = reduce(g, "ReduceSum", g.where(present, hidden, zeros), [1], false);
    return g.div(sum, g.max([count, number(1)]));
  }
  const lowest = hidden.dtype === "float16" ? number(-65504) : number(-3.4028234663852886e38);
  const most = reduce(g, "ReduceMax", g.where(present, hidden, lowest), [1], false);
  return g.where(g.greater(count, zeros), most, zeros);
}

/** Divides rows by their Euclidean length. */
export function normalizeRows(g: GraphBuilder, x: Value): Value {
  const to = DTYPES[x.dtype].code;
  // Squares of float16 overflow from 256 on: sum them as float32.
  const wide = x.dtype === "float16" ? g.cast(x, { to: DTYPES.float32.code }) : x;
  const axis = x.shape.length - 1;
  const norm = g.sqrt(reduce(g, "ReduceSum", g.mul(wide, wide), [axis], true));
  const rows = g.div(wide, g.max([norm, g.cast(g.scalar(LEAST_NORM), { to: DTYPES[wide.dtype].code })]));
  return x.dtype === "float16" ? g.cast(rows, { to }) : rows;
}

export interface ImageScaling {
  /** The graph's input that takes images. */
  input: string;
  /** Name of the new input: uint8 [batch, height, width, channels]. */
  as: string;
  /** Factor of the bytes before mean and deviation: 1/255 unless told. */
  scale?: number;
  /** One per channel. */
  mean: readonly number[];
  deviation: readonly number[];
  /** Order of the axes that the graph takes. */
  layout: "nchw" | "nhwc";
}

/**
 * Puts image scaling in front of a graph: (byte × scale − mean) / deviation, and the axes in order, so that images
 * are fed as the bytes that a decoder gives. Throws as `appendSteps`.
 */
export function prependImageScaling(model: ModelProto, options: ImageScaling): ModelProto {
  const { mean, deviation, layout, scale = 1 / 255 } = options;
  const { dtype, shape } = declaredType(model, options.input);
  if (shape.length !== 4 || (dtype !== "float32" && dtype !== "float16"))
    throw problem(
      "graph-invalid",
      `"${options.input}" takes no images: it is ${dtype} of rank ${shape.length}.`,
    );
  const channels = mean.length;
  if (channels !== deviation.length || deviation.some((value) => !(value > 0)))
    throw problem("graph-invalid", "Mean and deviation need one number per channel, deviations above 0.");
  const [batch = null, ...rest] = shape;
  const [height = null, width = null] = layout === "nchw" ? rest.slice(1) : rest;
  const g = new GraphBuilder({ name: "image-scaling", opset: opsetOf(model) });
  const images = g.input(options.as, "uint8", [batch, height, width, channels]);
  const row = (values: readonly number[]): Value =>
    g.constant({ dtype: "float32", shape: [channels], data: Float32Array.from(values) });
  // One product and one difference: x · scale/deviation − mean/deviation.
  const factor = row(deviation.map((value) => scale / value));
  const shift = row(mean.map((value, channel) => value / (deviation[channel] ?? 1)));
  const scaled = g.sub(g.mul(g.cast(images, { to: DTYPES.float32.code }), factor), shift);
  const ordered = layout === "nchw" ? g.transpose(scaled, { perm: [0, 3, 1, 2] }) : scaled;
  g.output("scaled", dtype === "float16" ? g.cast(ordered, { to: DTYPES.float16.code }) : ordered);
  const joined = joinModels(g.toModel(), model, { feeds: new Map([[options.input, "scaled"]]) });
  const { producerName, producerVersion, docString, metadataProps, domain, modelVersion } = model;
  return { ...joined, producerName, producerVersion, docString, metadataProps, domain, modelVersion };
}

/** The type of a tensor of a model as it declares it, which steps need. */
function declaredType(model: ModelProto, name: string): { dtype: Dtype; shape: Dimension[] } {
  const { graph } = model;
  const declared = [graph?.output, graph?.input, graph?.valueInfo].flatMap((list) => list ?? []);
  const value = declared.find((candidate) => candidate.name === name);
  if (!value)
    throw problem("output-unknown", `The graph declares no tensor ${JSON.stringify(name.slice(0, 80))}.`);
  const type = valueType(value.type);
  if (type.kind !== "tensor" || type.shape === null)
    throw problem(
      "graph-invalid",
      `The graph does not say of which type and rank ${JSON.stringify(name.slice(0, 80))} is.`,
    );
  return { dtype: type.dtype, shape: type.shape };
}
