import type { GraphBuilder } from "../../graph-builder.ts";
import { reduce, unsqueeze } from "../../portable.ts";
import type { Value } from "../../value.ts";
import {
  float,
  type GradientRule,
  gradientOf,
  inputOf,
  int,
  number,
  realAxes,
  reshapeLike,
  sumToShapeOf,
  unary,
} from "./gradient.ts";
import { countPer } from "./reductions.ts";

/** The last two axes exchanged. */
function flipped(g: GraphBuilder, matrix: Value): Value {
  const perm = matrix.shape.map((_, axis) => axis);
  const rank = perm.length;
  return g.transpose(matrix, { perm: [...perm.slice(0, -2), rank - 1, rank - 2] });
}

/** dA = dY·Bᵀ, dB = Aᵀ·dY. Vectors are taken as matrices of one row or column, as numpy.matmul does. */
export const matMulGradient: GradientRule = (g, node) => {
  const [left, right] = [inputOf(node, 0), inputOf(node, 1)];
  const isRow = left.shape.length === 1;
  const isColumn = right.shape.length === 1;
  const a = isRow ? unsqueeze(g, left, [0]) : left;
  const b = isColumn ? unsqueeze(g, right, [1]) : right;
  const dropped = [...(isRow ? [-2] : []), ...(isColumn ? [-1] : [])];
  const rank = Math.max(a.shape.length, b.shape.length);
  const dy =
    dropped.length === 0 ? gradientOf(node) : unsqueeze(g, gradientOf(node), realAxes(dropped, rank));
  const back = (gradient: Value, operand: Value, matrix: Value): Value =>
    operand === matrix ? gradient : reshapeLike(g, gradient, operand);
  const [da, db] = matrixGradients(g, a, b, dy);
  return [back(da, left, a), back(db, right, b)];
};

function matrixGradients(g: GraphBuilder, a: Value, b: Value, dy: Value): [Value, Value] {
  if (a.shape.length === 2 && b.shape.length === 2)
    return [g.gemm(dy, b, null, { transB: 1 }), g.gemm(a, dy, null, { transA: 1 })];
  if (b.shape.length === 2) {
    // One product over all rows of all matrices, instead of a product each and a sum.
    const rows = (value: Value) =>
      g.reshape(value, g.concat([g.ints([-1]), lastSize(g, value)], { axis: 0 }));
    return [g.matMul(dy, flipped(g, b)), g.gemm(rows(a), rows(dy), null, { transA: 1 })];
  }
  return [sumToShapeOf(g, g.matMul(dy, flipped(g, b)), a), sumToShapeOf(g, g.matMul(flipped(g, a), dy), b)];
}

const lastSize = (g: GraphBuilder, value: Value): Value =>
  g.slice(g.shape(value), g.ints([value.shape.length - 1]), g.ints([value.shape.length]));

/** Y = alpha · A′·B′ + beta · C, where ′ transposes if asked to. */
export const gemmGradient: GradientRule = (g, node) => {
  const [dy, a, b, c] = [gradientOf(node), inputOf(node, 0), inputOf(node, 1), node.inputs[2]];
  const alpha = float(node.attributes, "alpha", 1);
  const beta = float(node.attributes, "beta", 1);
  const transA = int(node.attributes, "transA", 0);
  const transB = int(node.attributes, "transB", 0);
  const da = transA
    ? g.gemm(b, dy, null, { alpha, transA: transB, transB: 1 })
    : g.gemm(dy, b, null, { alpha, transB: 1 - transB });
  const db = transB
    ? g.gemm(dy, a, null, { alpha, transA: 1, transB: transA })
    : g.gemm(a, dy, null, { alpha, transA: 1 - transA });
  const dc = c && sumToShapeOf(g, beta === 1 ? dy : g.mul(dy, number(g, beta, dy)), c);
  return [da, db, dc];
};

/** Source: Ba, Kiros and Hinton, "Layer Normalization" (2016), differentiated; mean and variance are computed again. */
export const layerNormalizationGradient: GradientRule = (g, node) => {
  const [dy, x, scale, bias] = [gradientOf(node), inputOf(node, 0), inputOf(node, 1), node.inputs[2]];
  const rank = x.shape.length;
  const [first = 0] = realAxes([int(node.attributes, "axis", -1)], rank);
  const axes = Array.from({ length: rank - first }, (_, at) => first + at);
  const mean = (value: Value) => reduce(g, "ReduceMean", value, axes, true);
  const centred = g.sub(x, mean(x));
  const variance = mean(g.mul(centred, centred));
  const epsilon = number(g, float(node.attributes, "epsilon", 1e-5), x);
  const deviation = g.sqrt(g.add(variance, epsilon));
  const normal = g.div(centred, deviation);
  const scaled = g.mul(dy, scale);
  const along = g.mul(normal, mean(g.mul(scaled, normal)));
  const dx = g.div(g.sub(g.sub(scaled, mean(scaled)), along), deviation);
  return [dx, sumToShapeOf(g, g.mul(dy, normal), scale), bias && sumToShapeOf(g, dy, bias)];
};

/** With the mean and variance that are fed, as when a model is used; all five have gradients. */
export const batchNormalizationGradient: GradientRule = (g, node) => {
  const [dy, x] = [gradientOf(node), inputOf(node, 0)];
  const channels = (index: number): Value => {
    const value = inputOf(node, index);
    const rest = x.shape.length - 2;
    return rest <= 0
      ? value
      : unsqueeze(
          g,
          value,
          Array.from({ length: rest }, (_, axis) => axis + 1),
        );
  };
  const [scale, mean, variance] = [channels(1), channels(3), channels(4)];
  const epsilon = number(g, float(node.attributes, "epsilon", 1e-5), x);
  const deviation = g.sqrt(g.add(variance, epsilon));
  const normal = g.div(g.sub(x, mean), deviation);
  const dx = g.div(g.mul(dy, scale), deviation);
  const half = number(g, -0.5, x);
  const byVariance = g.mul(half, g.div(g.mul(dx, normal), deviation));
  const byChannel = (value: Value, index: number): Value => {
    const axes = x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
    return reshapeLike(g, reduce(g, "ReduceSum", value, axes, false), inputOf(node, index));
  };
  return [
    dx,
    byChannel(g.mul(dy, normal), 1),
    byChannel(dy, 2),
    byChannel(g.neg(dx), 3),
    byChannel(byVariance, 4),
  ];
};

export const globalAveragePoolGradient: GradientRule = unary((g, dy, x) =>
  g.expand(g.div(dy, countPer(g, x, dy)), g.shape(x)),
);
