import type { Dimension } from "../value-type.ts";
import { hardSigmoidGradient, hardSwishGradient, leakyReluGradient } from "./gradients/elementwise.ts";
import type { GradientRule } from "./gradients/gradient.ts";
import {
  batchNormalizationGradient,
  gemmGradient,
  globalAveragePoolGradient,
  layerNormalizationGradient,
  matMulGradient,
} from "./gradients/neural.ts";
import { padGradient } from "./gradients/rearranging.ts";
import {
  axisOf,
  broadcast,
  given,
  type Inference,
  type Inferred,
  intAttribute,
  intsAttribute,
  knownNumbers,
  misfit,
  needFloat,
  operator,
  sameDtype,
  show,
} from "./operator.ts";

/** Source: ONNX, MatMul: numpy.matmul. */
export function matmulShape(left: readonly Dimension[], right: readonly Dimension[]): Dimension[] {
  const a = left.length === 1 ? [1, ...left] : [...left];
  const b = right.length === 1 ? [...right, 1] : [...right];
  const [inner, outer] = [a.at(-1) ?? null, b.at(-2) ?? null];
  if (
    left.length === 0 ||
    right.length === 0 ||
    (typeof inner === "number" && typeof outer === "number" && inner !== outer)
  )
    throw misfit(`${show(left)} can't be multiplied with ${show(right)}: the inner sizes differ.`);
  const batch = broadcast(a.slice(0, -2), b.slice(0, -2));
  return [
    ...batch,
    ...(left.length === 1 ? [] : [a.at(-2) ?? null]),
    ...(right.length === 1 ? [] : [b.at(-1) ?? null]),
  ];
}

function gemm(inference: Inference): Inferred[] {
  const [a, b] = [given(inference, 0).shape, given(inference, 1).shape];
  if (a.length !== 2 || b.length !== 2) throw misfit(`Gemm takes matrices, not ${show(a)} and ${show(b)}.`);
  const left = intAttribute(inference, "transA", 0) === 1 ? a.toReversed() : a;
  const right = intAttribute(inference, "transB", 0) === 1 ? b.toReversed() : b;
  const shape = matmulShape(left, right);
  const bias = inference.inputs[2];
  if (bias) broadcast(bias.shape, shape);
  return [{ dtype: sameDtype(inference), shape }];
}

/** The spatial sizes after a window has passed over them. Source: ONNX, Conv and MaxPool. */
function windows(
  inference: Inference,
  spatial: readonly Dimension[],
  kernel: readonly number[],
): Dimension[] {
  const rank = spatial.length;
  const strides = intsAttribute(inference, "strides") ?? new Array<number>(rank).fill(1);
  const dilations = intsAttribute(inference, "dilations") ?? new Array<number>(rank).fill(1);
  const pads = intsAttribute(inference, "pads") ?? new Array<number>(2 * rank).fill(0);
  const auto = inference.attributes.auto_pad ?? "NOTSET";
  const ceil = intAttribute(inference, "ceil_mode", 0) === 1;
  return spatial.map((size, axis) => {
    if (typeof size !== "number") return null;
    const stride = strides[axis] ?? 1;
    if (auto === "SAME_UPPER" || auto === "SAME_LOWER") return Math.ceil(size / stride);
    const reach = ((kernel[axis] ?? 1) - 1) * (dilations[axis] ?? 1) + 1;
    const padding = auto === "VALID" ? 0 : (pads[axis] ?? 0) + (pads[axis + rank] ?? 0);
    const steps = (size + padding - reach) / stride;
    if (steps < 0) throw misfit(`The window of ${reach} is larger than the axis of ${size + padding}.`);
    if (!ceil) return Math.floor(steps) + 1;
    // A last window that would start in the padding behind the data is left out.
    const count = Math.ceil(steps) + 1;
    return (count - 1) * stride >= size + (auto === "VALID" ? 0 : (pads[axis] ?? 0)) ? count - 1 : count;
  });
}

function convolved(inference: Inference, weightAt: number): Dimension[] {
  const [x, weight] = [given(inference, 0).shape, given(inference, weightAt).shape];
  if (x.length < 3 || x.length !== weight.length)
    throw misfit(`Conv takes ${show(x)} with a weight of the same rank, not ${show(weight)}.`);
  const [batch = null, channels, ...spatial] = x;
  const [filters = null, perGroup, ...kernel] = weight;
  const groups = intAttribute(inference, "group", 1);
  if (typeof channels === "number" && typeof perGroup === "number" && channels !== perGroup * groups)
    throw misfit(`The input has ${channels} channels, the weight is for ${perGroup * groups}.`);
  const sizes =
    intsAttribute(inference, "kernel_shape") ?? kernel.map((size) => (typeof size === "number" ? size : 1));
  return [batch, filters, ...windows(inference, spatial, sizes)];
}

const WINDOW = {
  auto_pad: "string",
  dilations: "ints",
  kernel_shape: "ints",
  pads: "ints",
  strides: "ints",
} as const;

const pool = (kind: "max" | "average") =>
  operator({
    domain: "",
    since: kind === "max" ? 12 : 11,
    inputs: ["x"],
    outputs: kind === "max" ? 2 : 1,
    attributes: {
      ...WINDOW,
      kernel_shape: "ints!",
      ceil_mode: "int",
      count_include_pad: "int",
      storage_order: "int",
    },
    infer: (inference) => {
      const { dtype, shape } = given(inference, 0);
      const [batch = null, channels = null, ...spatial] = shape;
      const out = [
        batch,
        channels,
        ...windows(inference, spatial, intsAttribute(inference, "kernel_shape") ?? []),
      ];
      return [
        { dtype, shape: out },
        { dtype: "int64", shape: out },
      ];
    },
  });

const globalPool = (gradient?: GradientRule) =>
  operator({
    ...(gradient && { gradient }),
    domain: "",
    since: 1,
    inputs: ["x"],
    outputs: 1,
    attributes: {},
    infer: (inference) => {
      const { dtype, shape } = given(inference, 0);
      return [{ dtype, shape: shape.map((dim, axis) => (axis < 2 ? dim : 1)) }];
    },
  });

/** Sizes and scales are those of the axes, which are all unless told. */
function resized(inference: Inference): Dimension[] {
  const { shape } = given(inference, 0);
  const sizes = inference.inputs[3]?.known;
  const scales = inference.inputs[2]?.known;
  const { keep_aspect_ratio_policy: policy = "stretch" } = inference.attributes;
  const sized = (dim: Dimension, at: number): Dimension => {
    // Another policy makes one scale of all sizes.
    if (sizes) return policy === "stretch" ? (sizes[at] ?? null) : null;
    const scale = scales?.[at];
    if (scale === 1) return dim;
    return typeof dim === "number" && typeof scale === "number" ? Math.floor(dim * scale) : null;
  };
  const axes = intsAttribute(inference, "axes")?.map((axis) => axisOf(axis, shape.length));
  return shape.map((dim, axis) => {
    const at = axes ? axes.indexOf(axis) : axis;
    return at < 0 ? dim : sized(dim, at);
  });
}

const first = (inference: Inference): Inferred => {
  const { dtype, shape } = given(inference, 0);
  return { dtype, shape };
};

export const NEURAL = {
  MatMul: operator({
    gradient: matMulGradient,
    domain: "",
    since: 9,
    inputs: ["a", "b"],
    outputs: 1,
    attributes: {},
    infer: (inference) => [
      {
        dtype: sameDtype(inference),
        shape: matmulShape(given(inference, 0).shape, given(inference, 1).shape),
      },
    ],
  }),
  Gemm: operator({
    gradient: gemmGradient,
    domain: "",
    since: 7,
    inputs: ["a", "b", "c?"],
    outputs: 1,
    attributes: { alpha: "float", beta: "float", transA: "int", transB: "int" },
    infer: gemm,
  }),
  LayerNormalization: operator({
    gradient: layerNormalizationGradient,
    domain: "",
    since: 17,
    inputs: ["x", "scale", "bias?"],
    outputs: 1,
    attributes: { axis: "int", epsilon: "float", stash_type: "int" },
    infer: (inference) => {
      const x = given(inference, 0);
      needFloat(x);
      const axis = axisOf(intAttribute(inference, "axis", -1), x.shape.length);
      broadcast(x.shape.slice(axis), given(inference, 1).shape);
      return [first(inference)];
    },
  }),
  BatchNormalization: operator({
    gradient: batchNormalizationGradient,
    domain: "",
    since: 9,
    inputs: ["x", "scale", "bias", "mean", "variance"],
    outputs: 1,
    attributes: { epsilon: "float", momentum: "float" },
    // Statistics of the batch itself are not built.
    harmless: { training_mode: 0, spatial: 1 },
    infer: (inference) => {
      const { shape } = given(inference, 0);
      for (const index of [1, 2, 3, 4]) broadcast([shape[1] ?? null], given(inference, index).shape);
      return [first(inference)];
    },
  }),
  Conv: operator({
    domain: "",
    since: 1,
    inputs: ["x", "weight", "bias?"],
    outputs: 1,
    attributes: { ...WINDOW, group: "int" },
    infer: (inference) => [{ dtype: sameDtype(inference), shape: convolved(inference, 1) }],
  }),
  ConvInteger: operator({
    domain: "",
    since: 10,
    inputs: ["x", "weight", "xZero?", "weightZero?"],
    outputs: 1,
    attributes: { ...WINDOW, group: "int" },
    infer: (inference) => [{ dtype: "int32", shape: convolved(inference, 1) }],
  }),
  MaxPool: pool("max"),
  AveragePool: pool("average"),
  GlobalAveragePool: globalPool(globalAveragePoolGradient),
  GlobalMaxPool: globalPool(),
  HardSwish: operator({
    gradient: hardSwishGradient,
    domain: "",
    since: 14,
    inputs: ["x"],
    outputs: 1,
    attributes: {},
    infer: (i) => [first(i)],
  }),
  HardSigmoid: operator({
    gradient: hardSigmoidGradient,
    domain: "",
    since: 6,
    inputs: ["x"],
    outputs: 1,
    attributes: { alpha: "float", beta: "float" },
    infer: (i) => [first(i)],
  }),
  LeakyRelu: operator({
    gradient: leakyReluGradient,
    domain: "",
    since: 6,
    inputs: ["x"],
    outputs: 1,
    attributes: { alpha: "float" },
    infer: (i) => [first(i)],
  }),
  Pad: operator({
    gradient: padGradient,
    domain: "",
    since: 11,
    inputs: ["data", "pads", "value?", "axes?"],
    outputs: 1,
    attributes: { mode: "string" },
    infer: (inference) => {
      const { dtype, shape } = given(inference, 0);
      const pads = knownNumbers(given(inference, 1));
      const axes = inference.inputs[3] ? knownNumbers(inference.inputs[3]) : shape.map((_, axis) => axis);
      if (!pads || !axes) return [{ dtype, shape: shape.map(() => null) }];
      if (pads.length !== 2 * axes.length)
        throw misfit(`Pad takes ${2 * axes.length} amounts, not ${pads.length}.`);
      const out = [...shape];
      axes.forEach((axis, at) => {
        const real = axisOf(axis, shape.length);
        const [size, added] = [shape[real] ?? null, (pads[at] ?? 0) + (pads[at + axes.length] ?? 0)];
        out[real] = typeof size === "number" ? size + added : added === 0 ? size : null;
      });
      return [{ dtype, shape: out }];
    },
  }),
  Resize: operator({
    domain: "",
    since: 11,
    inputs: ["x", "roi?", "scales?", "sizes?"],
    outputs: 1,
    attributes: {
      mode: "string",
      coordinate_transformation_mode: "string",
      nearest_mode: "string",
      antialias: "int",
      /** It and the policy came with opset 18. */
      axes: "ints",
      cubic_coeff_a: "float",
      exclude_outside: "int",
      extrapolation_value: "float",
      keep_aspect_ratio_policy: "string",
    },
    infer: (inference) => [{ dtype: given(inference, 0).dtype, shape: resized(inference) }],
  }),
  NonMaxSuppression: operator({
    domain: "",
    since: 10,
    inputs: ["boxes", "scores", "maxPerClass?", "iouThreshold?", "scoreThreshold?"],
    outputs: 1,
    attributes: { center_point_box: "int" },
    infer: (inference) => {
      const [boxes, scores] = [given(inference, 0), given(inference, 1)];
      if (boxes.shape.length !== 3 || scores.shape.length !== 3)
        throw misfit("NonMaxSuppression takes boxes [batch, boxes, 4] and scores [batch, classes, boxes].");
      return [{ dtype: "int64", shape: [null, 3] }];
    },
  }),
} as const;
