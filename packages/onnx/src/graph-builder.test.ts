import { expect, test } from "vitest";
import { GraphBuilder } from "./graph-builder.ts";
import { float32, numbers, runModel } from "./test-runtime.ts";
import type { Value } from "./value.ts";
import type { Dimension } from "./value-type.ts";

const BSH: Dimension[] = ["batch", "sequence", 4];
const IMAGE: Dimension[] = ["batch", 3, 8, 9];
const weights = (g: GraphBuilder, shape: number[]): Value => {
  const count = shape.reduce((a, b) => a * b, 1);
  return g.constant(float32(shape, new Array<number>(count).fill(1)));
};

const MISTAKES: [name: string, build: (g: GraphBuilder, x: Value) => unknown, sentence: RegExp][] = [
  ["inner sizes that differ", (g, x) => g.matMul(x, weights(g, [5, 2])), /^MatMul: .*inner sizes differ/],
  [
    "shapes that don't broadcast",
    (g, x) => g.add(x, weights(g, [3])),
    /^Add: .*\[batch, sequence, 4\] and \[3\] do not broadcast/,
  ],
  ["dtypes that differ", (g, x) => g.add(x, g.scalar(1, "int64")), /float32 and int64; cast/],
  [
    "an axis that does not exist",
    (g, x) => g.softmax(x, { axis: 3 }),
    /axis 3 does not exist in a tensor of rank 3/,
  ],
  ["a reshape that doesn't divide", (g, x) => g.reshape(x, g.ints([0, 0, 3, -1])), /does not divide/],
  [
    "an attribute that does not exist",
    (g, x) => g.nodes("Relu", [x], { slope: 1 }, 1),
    /no attribute "slope"/,
  ],
  [
    "an attribute that became an input",
    (g, x) => g.reduceSum(x, null, { axes: [1] }),
    /"axes" is an input since opset 13/,
  ],
  ["too many inputs", (g, x) => g.nodes("Relu", [x, x], {}, 1), /takes 1 inputs/],
  ["a missing input", (g, x) => g.nodes("Add", [x], {}, 1), /the input "b" is missing/],
  ["a missing attribute", (g, x) => g.nodes("Concat", [x], {}, 1), /attribute "axis" is missing/],
  ["a name that is taken", (g) => g.input("x", "float32", []), /"x" is taken/],
  ["float indices", (g, x) => g.gather(x, g.scalar(0)), /Indices must be int64 or int32/],
  [
    "channels that differ",
    (g) => g.conv(g.input("i", "float32", IMAGE), weights(g, [2, 4, 3, 3])),
    /3 channels, the weight is for 4/,
  ],
  [
    "a constant of another size",
    (g) => g.constant({ dtype: "float32", shape: [3], data: new Float32Array(2) }),
    /has 2 elements/,
  ],
  [
    "parts that don't add up",
    (g, x) => g.nodes("Split", [x, g.ints([1, 1])], { axis: 2 }, 2),
    /add up to 2, the axis has 4/,
  ],
  ["no outputs", (g) => g.toModel(), /no outputs/],
];

for (const [name, build, sentence] of MISTAKES)
  test(`${name}: refused while building`, () => {
    const g = new GraphBuilder({ opset: 20 });
    expect(() => build(g, g.input("x", "float32", BSH))).toThrow(sentence);
  });

test("an operator that the opset lacks is refused", () => {
  const g = new GraphBuilder({ opset: 17 });
  expect(() => g.gelu(g.input("x", "float32", [1]))).toThrow(/needs opset 20, the graph is of 17/);
});

test("relu(W·x + b) computes what it says", async () => {
  const g = new GraphBuilder({ name: "first" });
  const x = g.input("x", "float32", ["batch", 2]);
  const product = g.matMul(x, g.constant(float32([2, 2], [1, -1, 2, 0.5])));
  g.output("y", g.relu(g.add(product, g.constant(float32([2], [0.5, -3])))));
  const { y } = await runModel(g.toBytes(), { x: float32([2, 2], [1, 1, -4, 2]) });
  // [1·1+1·2+0.5, 1·−1+1·0.5−3] = [3.5, −3.5]; [−4+4+0.5, 4+1−3] = [0.5, 2]
  expect([y?.shape, numbers(y)]).toEqual([
    [2, 2],
    [3.5, 0, 0.5, 2],
  ]);
});

test("a value is an output under two names, and an input or constant can be one", async () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", [1]);
  const y = g.neg(x);
  g.output("a", y);
  g.output("b", y);
  g.output("same", x);
  g.output("constant", g.scalar(5));
  const fetched = await runModel(g.toModel(), { x: float32([1], [2]) });
  expect(Object.entries(fetched).map(([name, tensor]) => [name, ...numbers(tensor)])).toEqual([
    ["a", -2],
    ["b", -2],
    ["same", 2],
    ["constant", 5],
  ]);
});

test("what no output needs is not in the model", () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", [1]);
  g.exp(g.mul(x, g.scalar(3)));
  g.output("y", g.neg(x));
  const { graph } = g.toModel();
  expect([graph?.node.map((node) => node.opType), graph?.initializer]).toEqual([["Neg"], []]);
});
