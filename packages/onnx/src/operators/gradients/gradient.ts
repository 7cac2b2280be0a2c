import { DTYPES } from "@modulehub/core/dtype";
import type { GraphBuilder } from "../../graph-builder.ts";
import { reduce, unsqueeze } from "../../portable.ts";
import type { Value } from "../../value.ts";
import type { Dimension } from "../../value-type.ts";
import type { Attributes } from "../operator.ts";

/** What a gradient rule sees of a node. */
export interface DifferentiatedNode {
  inputs: readonly (Value | undefined)[];
  outputs: readonly Value[];
  attributes: Attributes;
  /** Gradient of the loss by each output, of its type and shape; undefined where the loss doesn't depend on it. */
  gradients: readonly (Value | undefined)[];
}

/**
 * Appends what computes the gradient of the loss by each input, of the input's shape, and gives them in the order of
 * the inputs: undefined for inputs that have none, such as indices. What turns out not to be needed is left out when
 * the model is made.
 */
export type GradientRule = (g: GraphBuilder, node: DifferentiatedNode) => readonly (Value | undefined)[];

/** A rule for an operator of one output and one differentiable input, its first. */
export const unary =
  (rule: (g: GraphBuilder, dy: Value, x: Value, y: Value, attributes: Attributes) => Value): GradientRule =>
  (g, node) => [rule(g, gradientOf(node), inputOf(node, 0), outputOf(node), node.attributes)];

/** The gradient by the first output. */
export const gradientOf = ({ gradients }: DifferentiatedNode): Value => present(gradients[0]);
export const outputOf = ({ outputs }: DifferentiatedNode): Value => present(outputs[0]);
/** An input that the table says is there. */
export const inputOf = ({ inputs }: DifferentiatedNode, index: number): Value => present(inputs[index]);

/** Nodes were checked when they were built, so that what is missing here is a fault of a rule. */
function present(value: Value | undefined): Value {
  if (!value) throw new TypeError("A gradient rule reads a value that its node doesn't have.");
  return value;
}

/** A number of the dtype of another value. */
export function number(g: GraphBuilder, value: number, like: Value): Value {
  if (like.dtype === "float32" || like.dtype === "float64" || like.dtype === "int64")
    return g.scalar(value, like.dtype);
  return g.cast(g.scalar(value), { to: DTYPES[like.dtype].code });
}

/** Keeps a gradient where a condition holds. */
export const onlyWhere = (g: GraphBuilder, condition: Value, gradient: Value): Value =>
  g.where(condition, gradient, number(g, 0, gradient));

/** 1 where a condition holds, else 0, of the dtype of another value. */
export const indicator = (g: GraphBuilder, condition: Value, like: Value): Value =>
  g.cast(condition, { to: DTYPES[like.dtype].code });

export function ints(attributes: Attributes, name: string): number[] | undefined {
  const value = attributes[name];
  return Array.isArray(value) ? value.map(Number) : undefined;
}

export function int(attributes: Attributes, name: string, missing: number): number {
  const value = attributes[name];
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : missing;
}

export function float(attributes: Attributes, name: string, missing: number): number {
  const value = attributes[name];
  return typeof value === "number" ? value : missing;
}

/** A value in the shape of another with as many elements. */
export function reshapeLike(g: GraphBuilder, value: Value, like: Value): Value {
  // An empty batch is a size of 0, which would be taken for "the same as before".
  const attributes = g.opset >= 14 ? { allowzero: 1 } : {};
  return g.reshape(value, g.shape(like), attributes);
}

/**
 * The gradient by an operand that was broadcast: sums over the axes along which it was repeated. Which these are is
 * told by the shapes where they say it; where a size is open (unnamed, or of another name), the graph finds out
 * when it runs.
 */
export function sumToShapeOf(g: GraphBuilder, gradient: Value, operand: Value): Value {
  const missing = gradient.shape.length - operand.shape.length;
  const repeated: number[] = [];
  for (const [axis, size] of gradient.shape.entries()) {
    const own = axis < missing ? 1 : operand.shape[axis - missing];
    if (axis < missing || (own === 1 && size !== 1)) repeated.push(axis);
    else if (!sameSize(own ?? null, size)) return sumWhereShapesDiffer(g, gradient, operand);
  }
  if (repeated.length === 0) return gradient;
  const dropsOnly = repeated.every((axis) => axis < missing);
  if (dropsOnly) return reduce(g, "ReduceSum", gradient, repeated, false);
  const sum = reduce(g, "ReduceSum", gradient, repeated, true);
  return missing === 0 ? sum : reshapeLike(g, sum, operand);
}

const sameSize = (a: Dimension, b: Dimension): boolean => a !== null && a === b;

function sumWhereShapesDiffer(g: GraphBuilder, gradient: Value, operand: Value): Value {
  const missing = gradient.shape.length - operand.shape.length;
  const ones = g.ints(new Array<number>(missing).fill(1));
  const padded = missing === 0 ? g.shape(operand) : g.concat([ones, g.shape(operand)], { axis: 0 });
  const axes = g.reshape(g.nonZero(g.not(g.equal(padded, g.shape(gradient)))), g.ints([-1]));
  const sum = g.reduceSum(gradient, axes, { keepdims: 1, noop_with_empty_axes: 1 });
  return reshapeLike(g, sum, operand);
}

/** Axes as numbers from 0 on. */
export const realAxes = (axes: readonly number[], rank: number): number[] =>
  axes.map((axis) => (axis < 0 ? axis + rank : axis));

/** A gradient by what was reduced, in its full rank: dropped axes are put back with size 1. */
export function withAxes(g: GraphBuilder, gradient: Value, rank: number, axes: readonly number[]): Value {
  return gradient.shape.length === rank ? gradient : unsqueeze(g, gradient, axes);
}
