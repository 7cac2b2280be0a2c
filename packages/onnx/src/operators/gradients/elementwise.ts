import { DTYPES } from "@modulehub/core/dtype";
import type { GraphBuilder } from "../../graph-builder.ts";
import type { Value } from "../../value.ts";
import { isFloat } from "../operator.ts";
import {
  float,
  type GradientRule,
  gradientOf,
  indicator,
  inputOf,
  number,
  onlyWhere,
  outputOf,
  sumToShapeOf,
  unary,
} from "./gradient.ts";

/** A rule for two operands that are broadcast: `rule` gives the gradients in the shape of the output. */
const binary =
  (rule: (g: GraphBuilder, dy: Value, a: Value, b: Value, y: Value) => [Value, Value]): GradientRule =>
  (g, node) => {
    const [a, b] = [inputOf(node, 0), inputOf(node, 1)];
    const [da, db] = rule(g, gradientOf(node), a, b, outputOf(node));
    return [sumToShapeOf(g, da, a), sumToShapeOf(g, db, b)];
  };

export const addGradient: GradientRule = binary((_, dy) => [dy, dy]);
export const subGradient: GradientRule = binary((g, dy) => [dy, g.neg(dy)]);
export const mulGradient: GradientRule = binary((g, dy, a, b) => [g.mul(dy, b), g.mul(dy, a)]);
export const divGradient: GradientRule = binary((g, dy, _, b, y) => [
  g.div(dy, b),
  g.neg(g.div(g.mul(dy, y), b)),
]);

/** By the exponent, y·ln x; 0 where x is 0, as PyTorch has it. */
export const powGradient: GradientRule = (g, node) => {
  const [dy, x, exponent, y] = [gradientOf(node), inputOf(node, 0), inputOf(node, 1), outputOf(node)];
  const real = exponent.dtype === x.dtype ? exponent : g.cast(exponent, { to: DTYPES[x.dtype].code });
  const dx = g.mul(dy, g.mul(real, g.pow(x, g.sub(real, number(g, 1, x)))));
  if (exponent.dtype !== x.dtype) return [sumToShapeOf(g, dx, x), undefined];
  const zero = g.equal(x, number(g, 0, x));
  const log = g.log(g.where(zero, number(g, 1, x), x));
  return [sumToShapeOf(g, dx, x), sumToShapeOf(g, g.mul(dy, g.mul(y, log)), exponent)];
};

export const identityGradient: GradientRule = unary((_, dy) => dy);
export const negGradient: GradientRule = unary((g, dy) => g.neg(dy));
export const absGradient: GradientRule = unary((g, dy, x) => g.mul(dy, g.sign(x)));
export const expGradient: GradientRule = unary((g, dy, _, y) => g.mul(dy, y));
export const logGradient: GradientRule = unary((g, dy, x) => g.div(dy, x));
export const sqrtGradient: GradientRule = unary((g, dy, _, y) => g.div(g.mul(dy, number(g, 0.5, y)), y));
export const reciprocalGradient: GradientRule = unary((g, dy, _, y) => g.neg(g.mul(dy, g.mul(y, y))));
export const sinGradient: GradientRule = unary((g, dy, x) => g.mul(dy, g.cos(x)));
export const cosGradient: GradientRule = unary((g, dy, x) => g.neg(g.mul(dy, g.sin(x))));
export const tanhGradient: GradientRule = unary((g, dy, _, y) =>
  g.mul(dy, g.sub(number(g, 1, y), g.mul(y, y))),
);
export const sigmoidGradient: GradientRule = unary((g, dy, _, y) =>
  g.mul(dy, g.mul(y, g.sub(number(g, 1, y), y))),
);

/** ln(1 + eˣ), whose slope is the sigmoid. */
export const softplusGradient: GradientRule = unary((g, dy, x) => g.mul(dy, g.sigmoid(x)));

/** 0 at 0, as PyTorch has it. The output instead of the input, which then needn't be kept. */
export const reluGradient: GradientRule = unary((g, dy, _, y) =>
  onlyWhere(g, g.greater(y, number(g, 0, y)), dy),
);

export const leakyReluGradient: GradientRule = unary((g, dy, x, _, attributes) => {
  const slope = number(g, float(attributes, "alpha", 0.01), x);
  return g.where(g.greater(x, number(g, 0, x)), dy, g.mul(dy, slope));
});

/** 2/√π · exp(−x²). */
export const erfGradient: GradientRule = unary((g, dy, x) =>
  g.mul(dy, g.mul(number(g, 2 / Math.sqrt(Math.PI), x), g.exp(g.neg(g.mul(x, x))))),
);

/** Φ(x) + x·φ(x) with the normal distribution's Φ and φ; with `approximate: tanh` the derivative of that form. */
export const geluGradient: GradientRule = unary((g, dy, x, _, attributes) => {
  const half = number(g, 0.5, x);
  const one = number(g, 1, x);
  if (attributes.approximate === "tanh") {
    const [factor, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
    const square = g.mul(x, x);
    const inner = g.mul(number(g, factor, x), g.mul(x, g.add(one, g.mul(number(g, cubic, x), square))));
    const tanh = g.tanh(inner);
    const slope = g.mul(number(g, factor, x), g.add(one, g.mul(number(g, 3 * cubic, x), square)));
    const curve = g.mul(g.mul(x, g.sub(one, g.mul(tanh, tanh))), slope);
    return g.mul(dy, g.mul(half, g.add(g.add(one, tanh), curve)));
  }
  const share = g.mul(half, g.add(one, g.erf(g.mul(x, number(g, Math.SQRT1_2, x)))));
  const density = g.mul(number(g, 1 / Math.sqrt(2 * Math.PI), x), g.exp(g.neg(g.mul(half, g.mul(x, x)))));
  return g.mul(dy, g.add(share, g.mul(x, density)));
});

/** alpha·x + beta cut to [0, 1]. */
export const hardSigmoidGradient: GradientRule = unary((g, dy, _, y, attributes) => {
  const inside = g.and(g.greater(y, number(g, 0, y)), g.less(y, number(g, 1, y)));
  return onlyWhere(g, inside, g.mul(dy, number(g, float(attributes, "alpha", 0.2), y)));
});

/** x · max(0, min(1, x/6 + ½)). */
export const hardSwishGradient: GradientRule = unary((g, dy, x) => {
  const middle = g.add(g.mul(x, number(g, 1 / 3, x)), number(g, 0.5, x));
  const slope = g.where(g.less(x, number(g, 3, x)), middle, number(g, 1, x));
  return onlyWhere(g, g.greater(x, number(g, -3, x)), g.mul(dy, slope));
});

/** Steps, whose slope is 0 wherever it exists: Floor, Ceil, Sign. */
export const stepGradient: GradientRule = () => [undefined];

/** Only between floating-point types: what was an integer has no gradient. */
export const castGradient: GradientRule = (g, node) => {
  const x = inputOf(node, 0);
  return [isFloat(x.dtype) ? g.cast(gradientOf(node), { to: DTYPES[x.dtype].code }) : undefined];
};

export const sumGradient: GradientRule = (g, node) =>
  node.inputs.map((input) => input && sumToShapeOf(g, gradientOf(node), input));

/** Max and Min: to the inputs that are the result, in equal shares where several are. */
export const extremeGradient: GradientRule = (g, node) => {
  const [dy, y] = [gradientOf(node), outputOf(node)];
  const inputs = node.inputs.flatMap((input) => input ?? []);
  const hits = inputs.map((input) => indicator(g, g.equal(input, y), y));
  const share = hits.length === 1 ? dy : g.div(dy, g.sum(hits));
  return inputs.map((input, index) => sumToShapeOf(g, g.mul(share, hits[index] ?? share), input));
};

export const whereGradient: GradientRule = (g, node) => {
  const [dy, condition, yes, no] = [gradientOf(node), inputOf(node, 0), inputOf(node, 1), inputOf(node, 2)];
  const other = g.where(condition, number(g, 0, dy), dy);
  return [undefined, sumToShapeOf(g, onlyWhere(g, condition, dy), yes), sumToShapeOf(g, other, no)];
};

/** 1 from one bound to the other, bounds included, as PyTorch has it. The bounds themselves have no gradient. */
export const clipGradient: GradientRule = (g, node) => {
  const [dy, x] = [gradientOf(node), inputOf(node, 0)];
  const bound = (index: number, name: string): Value | undefined => {
    const attribute = node.attributes[name];
    return node.inputs[index] ?? (typeof attribute === "number" ? number(g, attribute, x) : undefined);
  };
  const [low, high] = [bound(1, "min"), bound(2, "max")];
  const above = low && g.not(g.less(x, low));
  const below = high && g.not(g.greater(x, high));
  const inside = above && below ? g.and(above, below) : (above ?? below);
  return [inside ? onlyWhere(g, inside, dy) : dy, undefined, undefined];
};
