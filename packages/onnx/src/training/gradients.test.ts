import type { TensorOf } from "@modulehub/core/tensor";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../graph-builder.ts";
import { OPERATORS } from "../operators/table.ts";
import { int64, type Tensors, withModel } from "../test-runtime.ts";
import type { Value } from "../value.ts";
import type { Dimension } from "../value-type.ts";
import { differentiate } from "./differentiate.ts";

/**
 * Every gradient rule against central differences: L = Σ w·y for random w, dL/dx ≈ (L(x + h) − L(x − h)) / 2h. In
 * float64 the rule must agree within 1e-6 of the largest gradient; where ONNX Runtime has the operator in float32 only,
 * within 1e-2, which is what differences of float32 with h = 0.01 tell. Sizes are random, some declared by number,
 * some by name, so that both ways of undoing a broadcast are met.
 */
type Dtype = "float64" | "float32";
const PRECISION: Record<Dtype, { h: number; tolerance: number }> = {
  float64: { h: 1e-5, tolerance: 1e-6 },
  float32: { h: 1e-2, tolerance: 1e-2 },
};

interface Case {
  /** Sizes of the differentiated inputs, from a few random ones. */
  shapes: (n: [number, number, number]) => number[][];
  build: (g: GraphBuilder, x: Value[], n: [number, number, number]) => Value | Value[];
  /** Where the function is smooth: maps a number of [-1, 1]. */
  domain?: (u: number, index: number) => number;
  dtype?: Dtype;
  /** Sizes are declared by number: the operator's own rule needs them. */
  fixed?: boolean;
}

const matrix: Case["shapes"] = ([a, b]) => [[a, b]];
const cube: Case["shapes"] = ([a, b, c]) => [[a, b, c]];
/** Pairs that broadcast in both directions. */
const pairs: Case["shapes"] = ([a, b, c]) => [
  [a, 1, c],
  [b, c % 2 === 0 ? c : 1],
];
const positive = (u: number): number => 1.2 + u;
/** Keeps away from 0, where slopes jump. */
const offZero = (u: number): number => u + Math.sign(u || 1) * 0.1;
/** Far from one another, so that no step of the differences changes which is the largest. */
const apart = (u: number, index: number): number => 0.05 + ((index * 7) % 31) * 0.1 + u * 0.01;
const axis0 = (g: GraphBuilder): Value => g.scalar(0, "int64");

const CASES: Record<string, Case> = {
  Abs: { shapes: matrix, build: (g, [x]) => g.abs(x!), domain: offZero },
  Neg: { shapes: matrix, build: (g, [x]) => g.neg(x!) },
  Exp: { shapes: matrix, build: (g, [x]) => g.exp(x!) },
  Log: { shapes: matrix, build: (g, [x]) => g.log(x!), domain: positive },
  Sqrt: { shapes: matrix, build: (g, [x]) => g.sqrt(x!), domain: positive },
  Reciprocal: { shapes: matrix, build: (g, [x]) => g.reciprocal(x!), domain: positive },
  Erf: { shapes: matrix, build: (g, [x]) => g.erf(x!), dtype: "float32" },
  Tanh: { shapes: matrix, build: (g, [x]) => g.tanh(x!) },
  Softplus: { shapes: matrix, build: (g, [x]) => g.softplus(x!), dtype: "float32" },
  Sigmoid: { shapes: matrix, build: (g, [x]) => g.sigmoid(x!) },
  Relu: { shapes: matrix, build: (g, [x]) => g.relu(x!), domain: offZero },
  Sin: { shapes: matrix, build: (g, [x]) => g.sin(x!) },
  Cos: { shapes: matrix, build: (g, [x]) => g.cos(x!) },
  Identity: { shapes: matrix, build: (g, [x]) => g.identity(x!) },
  Gelu: {
    shapes: matrix,
    build: (g, [x]) => [g.gelu(x!), g.gelu(x!, { approximate: "tanh" })],
    dtype: "float32",
  },
  LeakyRelu: {
    shapes: matrix,
    build: (g, [x]) => g.leakyRelu(x!, { alpha: 0.3 }),
    domain: offZero,
    dtype: "float32",
  },
  HardSigmoid: {
    shapes: matrix,
    build: (g, [x]) => g.hardSigmoid(x!, { alpha: 0.4, beta: 0.5 }),
    domain: (u) => (u > 0 ? 1.4 + u : u),
    dtype: "float32",
  },
  HardSwish: {
    shapes: matrix,
    build: (g, [x]) => g.hardSwish(x!),
    domain: (u) => (Math.abs(u) > 0.5 ? 7 * u : u),
    dtype: "float32",
  },
  Add: { shapes: pairs, build: (g, [x, y]) => g.add(x!, y!) },
  Sub: { shapes: pairs, build: (g, [x, y]) => g.sub(x!, y!) },
  Mul: { shapes: pairs, build: (g, [x, y]) => g.mul(x!, y!) },
  Div: { shapes: pairs, build: (g, [x, y]) => g.div(x!, y!), domain: positive },
  Pow: { shapes: pairs, build: (g, [x, y]) => g.pow(x!, y!), domain: positive },
  Min: { shapes: pairs, build: (g, [x, y]) => g.min([x!, y!, g.neg(x!)]), domain: apart },
  Max: { shapes: pairs, build: (g, [x, y]) => g.max([x!, y!]), domain: apart },
  Sum: { shapes: pairs, build: (g, [x, y]) => g.sum([x!, y!, x!]) },
  Where: {
    shapes: pairs,
    build: (g, [x, y]) => g.where(g.greater(y!, g.scalar(0, "float64")), x!, y!),
    domain: offZero,
  },
  Clip: {
    shapes: matrix,
    build: (g, [x]) => [
      g.clip(x!, g.scalar(-0.5, "float64"), g.scalar(0.5, "float64")),
      g.clip(x!, null, g.scalar(0.5, "float64")),
    ],
    domain: (u) => (Math.abs(Math.abs(u) - 0.5) < 0.01 ? 0 : u),
  },
  Cast: {
    shapes: matrix,
    build: (g, [x]) => g.cast(g.mul(g.cast(x!, { to: 11 }), g.scalar(3, "float64")), { to: 1 }),
    dtype: "float32",
  },
  ReduceSum: {
    shapes: cube,
    build: (g, [x]) => [
      g.reduceSum(x!, g.ints([1]), { keepdims: 0 }),
      g.reduceSum(x!, g.ints([0, -1])),
      g.reduceSum(x!),
      g.reduceSum(x!, null, { noop_with_empty_axes: 1 }),
    ],
  },
  ReduceMean: {
    shapes: cube,
    build: (g, [x]) => [g.reduceMean(x!, g.ints([1, 2]), { keepdims: 0 }), g.reduceMean(x!)],
  },
  ReduceMax: { shapes: cube, build: (g, [x]) => g.reduceMax(x!, g.ints([1])), domain: apart },
  ReduceMin: {
    shapes: cube,
    build: (g, [x]) => g.reduceMin(x!, g.ints([2]), { keepdims: 0 }),
    domain: apart,
  },
  ReduceL2: {
    shapes: cube,
    build: (g, [x]) => g.reduceL2(x!, g.ints([1]), { keepdims: 0 }),
    domain: offZero,
  },
  Softmax: { shapes: cube, build: (g, [x]) => [g.softmax(x!), g.softmax(x!, { axis: 1 })] },
  LogSoftmax: { shapes: cube, build: (g, [x]) => [g.logSoftmax(x!), g.logSoftmax(x!, { axis: 0 })] },
  CumSum: {
    shapes: matrix,
    build: (g, [x]) => [
      g.cumSum(x!, g.scalar(1, "int64")),
      g.cumSum(x!, axis0(g), { exclusive: 1 }),
      g.cumSum(x!, axis0(g), { reverse: 1 }),
    ],
  },
  Reshape: { shapes: cube, build: (g, [x]) => g.reshape(x!, g.ints([0, -1])) },
  Flatten: { shapes: cube, build: (g, [x]) => g.flatten(x!, { axis: 2 }) },
  Squeeze: { shapes: ([a, , c]) => [[a, 1, c]], build: (g, [x]) => g.squeeze(x!, g.ints([1])), fixed: true },
  Unsqueeze: { shapes: matrix, build: (g, [x]) => g.unsqueeze(x!, g.ints([0, 2])) },
  Transpose: {
    shapes: cube,
    build: (g, [x]) =>
      g.add(g.transpose(x!, { perm: [2, 0, 1] }), g.transpose(g.transpose(x!), { perm: [0, 2, 1] })),
  },
  Concat: {
    shapes: ([a, b, c]) => [
      [a, b],
      [a, c],
    ],
    build: (g, [x, y]) => g.concat([x!, y!, x!], { axis: -1 }),
  },
  Split: {
    shapes: ([a, b, c]) => [[a, b + c]],
    build: (g, [x], [, b, c]) => {
      const [first, second] = g.nodes("Split", [x, g.ints([b, c])], { axis: 1 }, 2);
      return [g.exp(first!), g.nodes("Split", [x, g.ints([c, b])], { axis: 1 }, 2)[1]!, second!];
    },
  },
  Slice: {
    shapes: ([a, b, c]) => [[a + 1, b + 3, c]],
    build: (g, [x]) => [
      g.slice(x!, g.ints([1, 0]), g.ints([1000, -1])),
      g.slice(x!, g.ints([-1]), g.ints([-1000]), g.ints([1]), g.ints([-2])),
    ],
  },
  Gather: {
    shapes: ([a, b, c]) => [[a + 1, b + 1, c]],
    build: (g, [x]) => [
      g.gather(x!, g.constant(int64([2, 3], [0, 1, 1, -1, 0, 0]))),
      g.gather(x!, g.ints([1, 0, 1]), { axis: 1 }),
      g.gather(x!, g.scalar(0, "int64"), { axis: -1 }),
    ],
  },
  Expand: {
    shapes: ([a, , c]) => [[a, 1, c]],
    build: (g, [x], [a, b, c]) => g.expand(x!, g.ints([2, a, b, c])),
  },
  Tile: { shapes: matrix, build: (g, [x]) => g.tile(x!, g.ints([2, 3])) },
  Pad: {
    shapes: matrix,
    build: (g, [x]) => [
      g.pad(x!, g.ints([0, 1, 2, 0]), g.scalar(1, "float64")),
      g.pad(x!, g.ints([1, 2]), null, g.ints([-1])),
    ],
  },
  MatMul: {
    shapes: ([a, b, c]) => [[a, b], [b, c], [2, 1, a, b], [c, b, a], [b]],
    build: (g, [x, y, z, v, w]) => [
      g.matMul(x!, y!),
      g.matMul(z!, y!),
      g.matMul(z!, v!),
      g.matMul(w!, y!),
      g.matMul(x!, w!),
      g.matMul(w!, w!),
      g.matMul(z!, w!),
      g.matMul(w!, v!),
    ],
  },
  Gemm: {
    shapes: ([a, b, c]) => [
      [a, b],
      [b, c],
      [1, c],
    ],
    build: (g, [x, y, z]) => [
      g.gemm(x!, y!, z!, { alpha: 0.5, beta: 2 }),
      g.gemm(g.transpose(x!), y!, null, { transA: 1 }),
      g.gemm(x!, g.transpose(y!), z!, { transB: 1, alpha: 3 }),
      g.gemm(g.transpose(x!), g.transpose(y!), z!, { transA: 1, transB: 1, beta: 0.5 }),
    ],
  },
  LayerNormalization: {
    shapes: ([a, b, c]) => [[a, b, c + 1], [c + 1], [c + 1]],
    build: (g, [x, y, z]) => [
      g.layerNormalization(x!, y!, z!),
      g.layerNormalization(x!, y!, null, { axis: 1 }),
    ],
    // Rows that are all but one number bend sharply: differences would have to be finer.
    domain: (u, index) => u + 3 * (index % 2),
  },
  BatchNormalization: {
    shapes: ([a, b, c]) => [[a, b, c], [b], [b], [b], [b]],
    build: (g, [x, s, b, m, v]) => g.batchNormalization(x!, s!, b!, m!, v!, { epsilon: 0.1 }),
    domain: positive,
  },
  GlobalAveragePool: {
    shapes: ([a, b, c]) => [[a, b, c, 2]],
    build: (g, [x]) => g.globalAveragePool(x!),
    dtype: "float32",
  },
};

const SIZES = fc.tuple(
  fc.integer({ min: 1, max: 3 }),
  fc.integer({ min: 1, max: 3 }),
  fc.integer({ min: 1, max: 3 }),
);
/** Which axes are declared by name: a bit each. */
const NAMED = fc.integer({ min: 0, max: 0xffff });
const NUMBERS = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 97, maxLength: 97 });

function tensor(dtype: Dtype, shape: number[], values: readonly number[]): TensorOf<Dtype> {
  return dtype === "float64"
    ? { dtype, shape, data: Float64Array.from(values) }
    : { dtype, shape, data: Float32Array.from(values) };
}

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

async function check(
  one: Case,
  n: [number, number, number],
  named: number,
  numbers: number[],
): Promise<void> {
  const { dtype = "float64", domain = (u) => u, fixed = false } = one;
  const { h, tolerance } = PRECISION[dtype];
  const g = new GraphBuilder({ opset: 20 });
  let bit = 0;
  const shapes = one.shapes(n);
  const inputs = shapes.map((shape, at) => {
    // One name a size: equal sizes of a case may be declared to be the same, and different ones never are.
    const declared = shape.map(
      (size): Dimension => (!fixed && (named >> (bit++ % 16)) & 1 ? `size${size}` : size),
    );
    return g.input(`x${at}`, dtype, declared);
  });
  const outputs = [one.build(g, inputs, n)].flat();
  const terms = outputs.map((y, at) => {
    const weights = g.constant(tensor(dtype, [7], numbers.slice(at, at + 7)));
    // Seven weights again and again, which fit any number of elements.
    const flat = g.reshape(y, g.ints([-1]));
    const places = g.mod(
      g.range(g.scalar(0, "int64"), g.size(flat), g.scalar(1, "int64")),
      g.scalar(7, "int64"),
    );
    const wide = y.dtype === dtype ? flat : g.cast(flat, { to: dtype === "float64" ? 11 : 1 });
    return g.reduceSum(g.mul(wide, g.gather(weights, places)), null, { keepdims: 0 });
  });
  const loss = terms.length === 1 ? terms[0]! : g.sum(terms);
  g.output("loss", loss);
  differentiate(g, loss, inputs).forEach((gradient, at) => {
    g.output(`d${at}`, gradient);
  });
  let drawn = 0;
  const values = shapes.map((shape) =>
    Array.from({ length: count(shape) }, () => domain(numbers[drawn % numbers.length]!, drawn++)),
  );
  const feeds = (): Tensors =>
    Object.fromEntries(shapes.map((shape, at) => [`x${at}`, tensor(dtype, shape, values[at]!)]));
  await withModel(g.toModel(), async (run) => {
    const lossNow = async () => Number((await run(feeds(), ["loss"])).loss!.data[0]);
    const fetched = await run(feeds());
    for (const [at, shape] of shapes.entries()) {
      const gradient = fetched[`d${at}`]!;
      expect(gradient.shape).toEqual(shape);
      const differences: number[] = [];
      for (const [index, value] of values[at]!.entries()) {
        values[at]![index] = value + h;
        const above = await lossNow();
        values[at]![index] = value - h;
        differences.push((above - (await lossNow())) / (2 * h));
        values[at]![index] = value;
      }
      const most = differences.reduce((m, d) => Math.max(m, Math.abs(d)), 1);
      differences.forEach((difference, index) => {
        expect(Math.abs(Number(gradient.data[index]) - difference) / most).toBeLessThan(tolerance);
      });
    }
  });
}

describe("a gradient equals central differences", () => {
  test.each(Object.entries(CASES))("%s", async (_, one) => {
    await fc.assert(
      fc.asyncProperty(SIZES, NAMED, NUMBERS, (n, named, numbers) => check(one, n, named, numbers)),
      { numRuns: 12, endOnFailure: true },
    );
  });
});

test("every operator with a rule is checked against differences, but steps, whose slope is 0", () => {
  const withRule = Object.entries(OPERATORS).flatMap(([name, entry]) =>
    "gradient" in entry && entry.gradient ? [name] : [],
  );
  expect(withRule.filter((name) => !Object.hasOwn(CASES, name)).sort()).toEqual(["Ceil", "Floor", "Sign"]);
});
