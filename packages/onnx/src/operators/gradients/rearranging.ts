import type { GraphBuilder } from "../../graph-builder.ts";
import { reduce, unsqueeze } from "../../portable.ts";
import type { Value } from "../../value.ts";
import { knownNumbers, misfit } from "../operator.ts";
import {
  type GradientRule,
  gradientOf,
  inputOf,
  int,
  ints,
  number,
  realAxes,
  reshapeLike,
  sumToShapeOf,
  unary,
} from "./gradient.ts";

/** Reshape, Flatten, Squeeze, Unsqueeze: the same elements in the input's shape. */
export const reshapeGradient: GradientRule = (g, node) => {
  const gradient = reshapeLike(g, gradientOf(node), inputOf(node, 0));
  return node.inputs.map((_, index) => (index === 0 ? gradient : undefined));
};

export const transposeGradient: GradientRule = unary((g, dy, x, _, attributes) => {
  const perm = ints(attributes, "perm") ?? x.shape.map((_, axis) => x.shape.length - 1 - axis);
  return g.transpose(dy, { perm: perm.map((_, axis) => perm.indexOf(axis)) });
});

export const expandGradient: GradientRule = (g, node) => [
  sumToShapeOf(g, gradientOf(node), inputOf(node, 0)),
  undefined,
];

/** Sums over the repetitions, which lie before each axis once both are axes of their own. */
export const tileGradient: GradientRule = (g, node) => {
  const [dy, x, repeats] = [gradientOf(node), inputOf(node, 0), inputOf(node, 1)];
  const pairs = g.concat([unsqueeze(g, repeats, [1]), unsqueeze(g, g.shape(x), [1])], { axis: 1 });
  const parted = g.reshape(dy, g.reshape(pairs, g.ints([-1])));
  const axes = x.shape.map((_, axis) => 2 * axis);
  return [reshapeLike(g, reduce(g, "ReduceSum", parted, axes, false), x), undefined];
};

/** The size of one axis, int64 [1]. */
const sizeOf = (g: GraphBuilder, x: Value, axis: number): Value =>
  g.slice(g.shape(x), g.ints([axis]), g.ints([axis + 1]));

export const concatGradient: GradientRule = (g, node) => {
  const [dy, inputs] = [gradientOf(node), node.inputs.flatMap((input) => input ?? [])];
  if (inputs.length === 1) return [dy];
  const [axis = 0] = realAxes([int(node.attributes, "axis", 0)], dy.shape.length);
  const sizes = g.concat(
    inputs.map((input) => sizeOf(g, input, axis)),
    { axis: 0 },
  );
  return g.nodes("Split", [dy, sizes], { axis }, inputs.length);
};

export const splitGradient: GradientRule = (g, node) => {
  const parts = node.outputs.map((output, index) => node.gradients[index] ?? zerosLike(g, output));
  return [g.concat(parts, { axis: int(node.attributes, "axis", 0) }), undefined];
};

const zerosLike = (g: GraphBuilder, value: Value): Value => g.expand(number(g, 0, value), g.shape(value));

/**
 * Slice, whatever its starts, ends and steps, which the runtime itself applies to the places of each axis. The gradient
 * takes each place's number from the output's gradient, or from a slab of zeros behind it.
 */
export const sliceGradient: GradientRule = (g, node) => {
  const x = inputOf(node, 0);
  const [starts, ends, listed, steps] = [1, 2, 3, 4].map((index) => node.inputs[index]);
  const count = starts?.shape[0];
  const axes = listed
    ? knownNumbers(listed)
    : typeof count === "number"
      ? Array.from({ length: count }, (_, axis) => axis)
      : undefined;
  if (!starts || !ends || !axes) throw misfit("The axes of Slice must be constant to be differentiated.");
  const one = (input: Value, at: number) => g.slice(input, g.ints([at]), g.ints([at + 1]));
  const gradient = realAxes(axes, x.shape.length).reduce((dy, axis, at) => {
    const size = g.squeeze(sizeOf(g, x, axis), g.ints([0]));
    const range = (limit: Value) => g.range(g.scalar(0, "int64"), limit, g.scalar(1, "int64"));
    const places = g.slice(
      range(size),
      one(starts, at),
      one(ends, at),
      g.ints([0]),
      steps ? one(steps, at) : g.ints([1]),
    );
    const taken = g.size(places);
    const nowhere = g.expand(taken, sizeOf(g, x, axis));
    const sources = g.scatterElements(nowhere, places, range(taken), { axis: 0 });
    return g.gather(withSlabOfZeros(g, dy, axis), sources, { axis });
  }, gradientOf(node));
  return [gradient, ...new Array<undefined>(node.inputs.length - 1).fill(undefined)];
};

function withSlabOfZeros(g: GraphBuilder, value: Value, axis: number): Value {
  const rank = value.shape.length;
  const pads = new Array<number>(2 * rank).fill(0);
  pads[rank + axis] = 1;
  return g.pad(value, g.ints(pads), number(g, 0, value));
}

/**
 * Adds up the gradients of an index's every use. ScatterElements, because it goes through them one after another:
 * ScatterND adds on several threads at once and then loses some.
 */
export const gatherGradient: GradientRule = (g, node) => {
  const [dy, data, indices] = [gradientOf(node), inputOf(node, 0), inputOf(node, 1)];
  const rank = data.shape.length;
  const [axis = 0] = realAxes([int(node.attributes, "axis", 0)], rank);
  const places = g.cast(indices, { to: 7 });
  const before = g.slice(g.shape(data), g.ints([0]), g.ints([axis]));
  const after = g.slice(g.shape(data), g.ints([axis + 1]), g.ints([rank]));
  const count = g.ints([-1]);
  const shape = g.concat([before, count, after], { axis: 0 });
  const updates = g.reshape(dy, shape);
  const line = g.reshape(
    places,
    g.ints([...new Array<number>(axis).fill(1), -1, ...new Array<number>(rank - axis - 1).fill(1)]),
  );
  const zeros = g.expand(number(g, 0, data), g.shape(data));
  const spread = g.expand(line, g.shape(updates));
  return [g.scatterElements(zeros, spread, updates, { axis, reduction: "add" }), undefined];
};

/** Cuts off what was added; only for padding with a constant. */
export const padGradient: GradientRule = (g, node) => {
  const [dy, x] = [gradientOf(node), inputOf(node, 0)];
  const rank = x.shape.length;
  const pads = knownNumbers(inputOf(node, 1));
  const axes = node.inputs[3] ? knownNumbers(node.inputs[3]) : x.shape.map((_, axis) => axis);
  const mode = node.attributes.mode ?? "constant";
  if (!pads || !axes || mode !== "constant" || pads.some((amount) => amount < 0))
    throw misfit("Only padding by constant amounts, with a constant, can be differentiated.");
  const starts = new Array<number>(rank).fill(0);
  realAxes(axes, rank).forEach((axis, at) => {
    starts[axis] = pads[at] ?? 0;
  });
  const ends = g.add(g.ints(starts), g.shape(x));
  const cut = g.slice(dy, g.ints(starts), ends, g.ints(starts.map((_, axis) => axis)));
  return [cut, undefined, undefined, undefined];
};
