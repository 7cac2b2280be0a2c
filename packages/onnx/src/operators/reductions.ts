import type { Dimension } from "../value-type.ts";
import type { GradientRule } from "./gradients/gradient.ts";
import {
  cumSumGradient,
  logSoftmaxGradient,
  reduceExtremeGradient,
  reduceL2Gradient,
  reduceMeanGradient,
  reduceSumGradient,
  softmaxGradient,
} from "./gradients/reductions.ts";
import {
  axisOf,
  given,
  type Inference,
  type Inferred,
  intAttribute,
  intsAttribute,
  knownNumbers,
  misfit,
  operator,
} from "./operator.ts";

/** Shape after axes are reduced; every size is open where the axes are only known when the graph runs. */
function reduced(inference: Inference): Dimension[] {
  const { shape } = given(inference, 0);
  const keep = intAttribute(inference, "keepdims", 1) === 1;
  const input = inference.inputs[1];
  const listed = input ? knownNumbers(input) : intsAttribute(inference, "axes");
  if (input && !listed) {
    if (!keep) throw misfit("The axes must be constant where they are dropped.");
    return shape.map(() => null);
  }
  const all = !listed || listed.length === 0;
  const empty = all && intAttribute(inference, "noop_with_empty_axes", 0) === 1;
  if (empty) return [...shape];
  const axes = new Set(listed?.map((axis) => axisOf(axis, shape.length)));
  if (keep) return shape.map((dim, axis) => (all || axes.has(axis) ? 1 : dim));
  return shape.filter((_, axis) => !all && !axes.has(axis));
}

const reduction = (axesInput: number, gradient: GradientRule) =>
  operator({
    gradient,
    domain: "",
    since: 1,
    inputs: ["data", "axes?"],
    outputs: 1,
    attributes: { axes: "ints", keepdims: "int", noop_with_empty_axes: "int" },
    inputSince: { axes: axesInput },
    infer: (inference) => [{ dtype: given(inference, 0).dtype, shape: reduced(inference) }],
  });

const search = operator({
  domain: "",
  since: 1,
  inputs: ["data"],
  outputs: 1,
  attributes: { axis: "int", keepdims: "int", select_last_index: "int" },
  infer: (inference) => {
    const { shape } = given(inference, 0);
    const axis = axisOf(intAttribute(inference, "axis", 0), shape.length);
    const keep = intAttribute(inference, "keepdims", 1) === 1;
    const out = shape.flatMap((dim, at) => (at !== axis ? [dim] : keep ? [1] : []));
    return [{ dtype: "int64", shape: out }];
  },
});

const along = (gradient: GradientRule) =>
  operator({
    gradient,
    domain: "",
    since: 1,
    inputs: ["x"],
    outputs: 1,
    attributes: { axis: "int" },
    infer: (inference): Inferred[] => {
      const { dtype, shape } = given(inference, 0);
      axisOf(intAttribute(inference, "axis", -1), shape.length);
      return [{ dtype, shape }];
    },
  });

export const REDUCTIONS = {
  ReduceSum: reduction(13, reduceSumGradient),
  ReduceMean: reduction(18, reduceMeanGradient),
  ReduceMax: reduction(18, reduceExtremeGradient),
  ReduceMin: reduction(18, reduceExtremeGradient),
  ReduceL2: reduction(18, reduceL2Gradient),
  ArgMax: search,
  ArgMin: search,
  Softmax: along(softmaxGradient),
  LogSoftmax: along(logSoftmaxGradient),
  CumSum: operator({
    gradient: cumSumGradient,
    domain: "",
    since: 11,
    inputs: ["x", "axis"],
    outputs: 1,
    attributes: { exclusive: "int", reverse: "int" },
    infer: (inference) => {
      const { dtype, shape } = given(inference, 0);
      return [{ dtype, shape }];
    },
  }),
  TopK: operator({
    domain: "",
    since: 10,
    inputs: ["x", "k"],
    outputs: 2,
    leastOutputs: 2,
    attributes: { axis: "int", largest: "int", sorted: "int" },
    infer: (inference) => {
      const { dtype, shape } = given(inference, 0);
      const axis = axisOf(intAttribute(inference, "axis", -1), shape.length);
      const k = given(inference, 1).known?.[0] ?? null;
      const size = shape[axis];
      if (typeof k === "number" && typeof size === "number" && k > size)
        throw misfit(`TopK asks for ${k} of ${size} elements.`);
      const out = shape.map((dim, at) => (at === axis ? k : dim));
      return [
        { dtype, shape: out },
        { dtype: "int64", shape: out },
      ];
    },
  }),
} as const;
