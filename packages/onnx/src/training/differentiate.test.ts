import { expect, test } from "vitest";
import { attributeToProto } from "../attribute.ts";
import { GraphBuilder } from "../graph-builder.ts";
import type { ModelProto } from "../schema.ts";
import { float32, numbers, runModel } from "../test-runtime.ts";
import type { Value } from "../value.ts";
import { differentiate } from "./differentiate.ts";
import { liftNodes } from "./lift.ts";

test("the gradients of a value's several uses add up", async () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", []);
  // x³ + 2x + eˣ at 2: 3·4 + 2 + e².
  const cube = g.mul(x, g.mul(x, x));
  const loss = g.add(g.add(cube, g.add(x, x)), g.exp(x));
  const [dx] = differentiate(g, loss, [x]);
  g.output("dx", dx!);
  expect(numbers((await runModel(g.toModel(), { x: float32([], [2]) })).dx)[0]).toBeCloseTo(
    14 + Math.E ** 2,
    4,
  );
});

test("nodes of a model that was read have the gradients of those that were written", async () => {
  const read = new GraphBuilder({ opset: 20 });
  const a = read.input("a", "float32", ["n", 2]);
  const w = read.constant(float32([2, 1], [3, -1]), "w");
  read.output("y", read.sigmoid(read.matMul(a, w)));
  const { graph } = read.toModel();

  const g = new GraphBuilder({ opset: 20 });
  const x = g.input("x", "float32", ["n", 2]);
  const values = new Map<string, Value>([["a", x]]);
  liftNodes(g, graph!.node, values, new Map(graph!.initializer.map((tensor) => [tensor.name ?? "", tensor])));
  const loss = g.reduceSum(values.get("y")!, null, { keepdims: 0 });
  const [dx] = differentiate(g, loss, [x]);
  g.output("dx", dx!);
  const fetched = await runModel(g.toModel(), { x: float32([2, 2], [0.1, 0.2, -0.3, 0.4]) });
  const slope = (z: number) => Math.exp(-z) / (1 + Math.exp(-z)) ** 2;
  const expected = [3 * 0.1 - 0.2, 3 * -0.3 - 0.4].flatMap((z) => [3 * slope(z), -slope(z)]);
  numbers(fetched.dx).forEach((value, at) => {
    expect(value).toBeCloseTo(expected[at]!, 5);
  });
});

/** The nodes of a graph from "x", [n, 2], to "y", put into another. */
function lifted(model: ModelProto): GraphBuilder {
  const g = new GraphBuilder({ opset: 20 });
  const values = new Map<string, Value>([["x", g.input("x", "float32", ["n", 2])]]);
  const { node, initializer } = model.graph!;
  liftNodes(g, node, values, new Map(initializer.map((tensor) => [tensor.name ?? "", tensor])));
  g.output("y", values.get("y")!);
  return g;
}

test("a node keeps its attributes where it is put into another graph", async () => {
  const read = new GraphBuilder({ opset: 20 });
  read.output("y", read.shape(read.input("x", "float32", ["n", 2]), { start: 1, end: 2 }));
  const y = (await runModel(lifted(read.toModel()).toModel(), { x: float32([3, 2], [1, 2, 3, 4, 5, 6]) })).y;
  expect(numbers(y)).toEqual([2]);
});

test("an attribute that would be lost is refused by name, one that changes nothing is left out", () => {
  const read = new GraphBuilder({ opset: 20 });
  const row = read.constant(float32([2], [1, 2]), "row");
  read.output("y", read.batchNormalization(read.input("x", "float32", ["n", 2]), row, row, row, row));
  const model = read.toModel();
  const [node] = model.graph!.node;
  const inMode = (mode: number): ModelProto => {
    const attribute = [attributeToProto("training_mode", "int", mode)];
    return { ...model, graph: { ...model.graph!, node: [{ ...node!, attribute }] } };
  };
  expect(() => lifted(inMode(1))).toThrow(
    expect.objectContaining({
      code: "gradient-missing",
      message: expect.stringMatching(
        /^BatchNormalization, which makes "y", has an attribute "training_mode"/,
      ),
    }),
  );
  expect(lifted(inMode(0)).appended()).toMatchObject([{ name: "BatchNormalization", attributes: {} }]);
});

test("an operator without a rule is refused by name before anything is appended", () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", ["batch", 3, 8, 8]);
  const pooled = g.maxPool(g.tanh(x), { kernel_shape: [2, 2] });
  const loss = g.reduceSum(pooled, null, { keepdims: 0 });
  const before = g.appended().length;
  expect(() => differentiate(g, loss, [x])).toThrow(
    expect.objectContaining({
      code: "gradient-missing",
      message: expect.stringMatching(/^MaxPool.*"MaxPool_1"/),
    }),
  );
  expect(g.appended().length).toBe(before);
});

test("an operator without a rule is no obstacle where the loss doesn't depend on it", async () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", [3]);
  const [, places] = g.nodes("TopK", [x, g.ints([2])], { axis: 0 }, 2);
  const loss = g.reduceSum(g.gather(x, places!), null, { keepdims: 0 });
  const [dx] = differentiate(g, loss, [x]);
  g.output("dx", dx!);
  expect(numbers((await runModel(g.toModel(), { x: float32([3], [5, 1, 7]) })).dx)).toEqual([1, 0, 1]);
});

test("a loss that is no number, and one that doesn't depend on what is asked for, are refused", () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", ["n"]);
  const y = g.input("y", "float32", []);
  expect(() => differentiate(g, x, [x])).toThrow(/one number/);
  expect(() => differentiate(g, g.exp(y), [x])).toThrow(/does not depend on "x"/);
});
