import { DTYPES } from "@modulehub/core/dtype";
import type { GraphBuilder } from "../../graph-builder.ts";
import { reduce } from "../../portable.ts";
import type { Value } from "../../value.ts";
import { knownNumbers, misfit } from "../operator.ts";
import {
  type DifferentiatedNode,
  type GradientRule,
  gradientOf,
  indicator,
  inputOf,
  int,
  ints,
  number,
  outputOf,
  realAxes,
  unary,
  withAxes,
} from "./gradient.ts";

/** What a reduction went over, and its gradient and result in the rank of what was reduced. */
interface Reduced {
  x: Value;
  axes: number[];
  dy: Value;
  y: Value;
}

function reducedBy(g: GraphBuilder, node: DifferentiatedNode): Reduced {
  const x = inputOf(node, 0);
  const rank = x.shape.length;
  const input = node.inputs[1];
  const listed = input ? knownNumbers(input) : ints(node.attributes, "axes");
  if (input && !listed) throw misfit("The axes of a reduction must be constant to be differentiated.");
  const none = !listed || listed.length === 0;
  const untouched = none && int(node.attributes, "noop_with_empty_axes", 0) === 1;
  const all = Array.from({ length: rank }, (_, axis) => axis);
  const axes = untouched ? [] : none ? all : realAxes(listed ?? [], rank);
  const whole = (value: Value) => withAxes(g, value, rank, axes);
  return { x, axes, dy: whole(gradientOf(node)), y: whole(outputOf(node)) };
}

export const reduceSumGradient: GradientRule = (g, node) => {
  const { x, dy } = reducedBy(g, node);
  return [g.expand(dy, g.shape(x))];
};

export const reduceMeanGradient: GradientRule = (g, node) => {
  const { x, dy } = reducedBy(g, node);
  return [g.expand(g.div(dy, countPer(g, x, dy)), g.shape(x))];
};

/** How many elements of one value there are for each of another, as a number of its dtype. */
export function countPer(g: GraphBuilder, many: Value, few: Value): Value {
  // At least 1: an integer division by 0 ends the process.
  const each = g.div(g.size(many), g.max([g.size(few), g.scalar(1, "int64")]));
  return g.cast(each, { to: DTYPES[few.dtype].code });
}

/** ReduceMax and ReduceMin: to the elements that are the result, in equal shares, as PyTorch's amax has it. */
export const reduceExtremeGradient: GradientRule = (g, node) => {
  const { x, dy, y, axes } = reducedBy(g, node);
  if (axes.length === 0) return [dy];
  const hits = indicator(g, g.equal(x, y), x);
  return [g.mul(hits, g.div(dy, reduce(g, "ReduceSum", hits, axes, true)))];
};

/** x ÷ length; 0 for a length of 0. */
export const reduceL2Gradient: GradientRule = (g, node) => {
  const { x, dy, y } = reducedBy(g, node);
  const nothing = g.equal(y, number(g, 0, y));
  const factor = g.where(nothing, number(g, 0, y), g.div(dy, g.where(nothing, number(g, 1, y), y)));
  return [g.mul(x, factor)];
};

/** The axes of Softmax: one, or before opset 13 all from the one named on. */
function softmaxAxes(g: GraphBuilder, x: Value, axis: number | undefined): number[] {
  const rank = x.shape.length;
  const [first = 0] = realAxes([axis ?? (g.opset < 13 ? 1 : -1)], rank);
  return g.opset < 13 ? Array.from({ length: rank - first }, (_, at) => first + at) : [first];
}

const axisAttribute = (value: unknown): number | undefined =>
  typeof value === "number" || typeof value === "bigint" ? Number(value) : undefined;

export const softmaxGradient: GradientRule = unary((g, dy, x, y, attributes) => {
  const axes = softmaxAxes(g, x, axisAttribute(attributes.axis));
  return g.mul(y, g.sub(dy, reduce(g, "ReduceSum", g.mul(dy, y), axes, true)));
});

export const logSoftmaxGradient: GradientRule = unary((g, dy, x, y, attributes) => {
  const axes = softmaxAxes(g, x, axisAttribute(attributes.axis));
  return g.sub(dy, g.mul(g.exp(y), reduce(g, "ReduceSum", dy, axes, true)));
});

/** The running sum from the other end. */
export const cumSumGradient: GradientRule = (g, node) => {
  const reverse = 1 - int(node.attributes, "reverse", 0);
  const exclusive = int(node.attributes, "exclusive", 0);
  return [g.cumSum(gradientOf(node), inputOf(node, 1), { reverse, exclusive }), undefined];
};
