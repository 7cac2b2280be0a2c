import type { GraphBuilder } from "./graph-builder.ts";
import type { Value } from "./value.ts";

/** Operators whose form changed between opsets, written in the form of the graph's own. */

type Reduction = "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceL2";

/** Opset in which the axes of a reduction became an input. */
const AXES_INPUT: Record<Reduction, number> = {
  ReduceSum: 13,
  ReduceMean: 18,
  ReduceMax: 18,
  ReduceMin: 18,
  ReduceL2: 18,
};

/** Reduces along axes, keeping them with size 1 or dropping them. */
export function reduce(
  g: GraphBuilder,
  kind: Reduction,
  x: Value,
  axes: readonly number[],
  keep: boolean,
): Value {
  const keepdims = keep ? 1 : 0;
  const asInput = g.opset >= AXES_INPUT[kind];
  const [value] = asInput
    ? g.nodes(kind, [x, g.ints(axes)], { keepdims }, 1)
    : g.nodes(kind, [x], { axes, keepdims }, 1);
  return value ?? x;
}

/** Adds axes of size 1. */
export const unsqueeze = (g: GraphBuilder, x: Value, axes: readonly number[]): Value =>
  g.opset >= 13 ? g.unsqueeze(x, g.ints(axes)) : g.unsqueeze(x, null, { axes });

/** Drops axes of size 1. */
export const squeeze = (g: GraphBuilder, x: Value, axes: readonly number[]): Value =>
  g.opset >= 13 ? g.squeeze(x, g.ints(axes)) : g.squeeze(x, null, { axes });
