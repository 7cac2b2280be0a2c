import type { Activation, HeadSettings } from "@modulehub/core";
import { DTYPES, type Dtype } from "@modulehub/core/dtype";
import { problem } from "@modulehub/core/problem";
import type { TensorOf } from "@modulehub/core/tensor";
import { GraphBuilder } from "../graph-builder.ts";
import type { ModelProto } from "../schema.ts";
import type { Value } from "../value.ts";
import type { MaskSpec, ParameterSpec } from "./program.ts";

/** What a head stands between. */
export interface HeadEnds {
  /** Numbers of an example's feature vector. */
  features: number;
  /** Classes, or numbers of a linear output. */
  outputs: number;
  /** Of each feature over the training set, for heads that standardise. */
  scaling?: { mean: Float32Array; deviation: Float32Array };
}

const LEAKY_SLOPE = 0.01;

/**
 * The parameters of a head, in order: weight [in, out] and bias [out] a layer. Weights start as He says before the
 * activations that cut (relu, leaky-relu, gelu), as Glorot says before the others and before the output; biases at 0.
 */
export function headParameters(head: HeadSettings, { features, outputs }: HeadEnds): ParameterSpec[] {
  const cuts = head.activation !== "sigmoid" && head.activation !== "tanh";
  return layersOf(head, features, outputs).flatMap(({ name, fanIn, fanOut, hidden }): ParameterSpec[] => [
    {
      name: `${name}/weight`,
      shape: [fanIn, fanOut],
      initial: hidden && cuts ? { kind: "he-normal", fanIn } : { kind: "glorot-uniform", fanIn, fanOut },
    },
    { name: `${name}/bias`, shape: [fanOut], initial: { kind: "zeros" } },
  ]);
}

/** A mask for each hidden layer; none without dropout. */
export const headMasks = ({ hidden, dropout }: HeadSettings): MaskSpec[] =>
  dropout === 0 ? [] : hidden.map((width, layer) => ({ name: `hidden${layer}/mask`, width, layer, dropout }));

function layersOf({ hidden }: HeadSettings, features: number, outputs: number) {
  const widths = [features, ...hidden, outputs];
  return widths.slice(1).map((fanOut, layer) => {
    const isHidden = layer < hidden.length;
    return {
      name: isHidden ? `hidden${layer}` : "output",
      fanIn: widths[layer] ?? 0,
      fanOut,
      hidden: isHidden,
    };
  });
}

/**
 * Appends a head: features [batch, features] → logits [batch, outputs]. `values` holds the parameters by name, and the
 * masks where there is dropout to be done.
 */
export function appendHead(
  g: GraphBuilder,
  head: HeadSettings,
  ends: HeadEnds,
  features: Value,
  values: ReadonlyMap<string, Value>,
): Value {
  const take = (name: string): Value => {
    const value = values.get(name);
    if (!value) throw problem("graph-invalid", `The head's tensor "${name}" is missing.`);
    return value;
  };
  let x = head.standardize ? standardized(g, features, ends) : features;
  for (const { name, hidden } of layersOf(head, ends.features, ends.outputs)) {
    x = g.gemm(x, take(`${name}/weight`), take(`${name}/bias`));
    if (!hidden) continue;
    x = activate(g, head.activation, x);
    const mask = values.get(`${name}/mask`);
    if (mask) x = g.mul(x, mask);
  }
  return x;
}

function activate(g: GraphBuilder, activation: Activation, x: Value): Value {
  switch (activation) {
    case "sigmoid":
      return g.sigmoid(x);
    case "tanh":
      return g.tanh(x);
    case "relu":
      return g.relu(x);
    case "leaky-relu":
      return g.leakyRelu(x, { alpha: LEAKY_SLOPE });
    case "gelu": {
      if (g.opset >= 20) return g.gelu(x);
      const share = g.add(g.erf(g.mul(x, g.scalar(Math.SQRT1_2))), g.scalar(1));
      return g.mul(g.mul(x, g.scalar(0.5)), share);
    }
  }
}

function standardized(g: GraphBuilder, features: Value, { scaling, features: width }: HeadEnds): Value {
  if (scaling?.mean.length !== width || scaling.deviation.length !== width)
    throw problem("graph-invalid", "A head that standardises needs the mean and deviation of each feature.");
  const row = (data: Float32Array): Value => g.constant({ dtype: "float32", shape: [width], data });
  // A feature that never changes tells nothing: its difference from the mean is 0, whatever it is divided by.
  const factor = row(scaling.deviation.map((deviation) => (deviation > 0 ? 1 / deviation : 1)));
  return g.mul(g.sub(features, row(scaling.mean)), factor);
}

/**
 * A trained head as a model of its own: `features` float32 [batch, features] → `logits` and `scores` [batch, outputs].
 * The features may be of another floating-point type. Scores are probabilities over the classes for softmax, one a class for sigmoid, the numbers themselves for linear.
 * Throws `graph-invalid` where a parameter is missing or of another size.
 */
export function buildHead(
  head: HeadSettings,
  ends: HeadEnds,
  parameters: ReadonlyMap<string, Float32Array>,
  { opset = 17, dtype = "float32" }: { opset?: number; dtype?: Dtype } = {},
): ModelProto {
  const g = new GraphBuilder({ name: "head", opset });
  const input = g.input("features", dtype, ["batch", ends.features]);
  const features = dtype === "float32" ? input : g.cast(input, { to: DTYPES.float32.code });
  const values = new Map(
    headParameters(head, ends).map(({ name, shape }): [string, Value] => {
      const data = parameters.get(name);
      if (!data) throw problem("graph-invalid", `The head's parameter "${name}" is missing.`);
      const tensor: TensorOf<"float32"> = { dtype: "float32", shape: [...shape], data };
      return [name, g.constant(tensor, name)];
    }),
  );
  const logits = appendHead(g, head, ends, features, values);
  const scores = scoresOf(g, head.output, logits);
  g.output("logits", logits);
  g.output("scores", scores);
  return g.toModel();
}

function scoresOf(g: GraphBuilder, output: HeadSettings["output"], logits: Value): Value {
  if (output === "softmax") return g.softmax(logits, { axis: 1 });
  return output === "sigmoid" ? g.sigmoid(logits) : g.identity(logits);
}
