import { expect, test } from "vitest";
import { type AppendedStep, appendSteps, prependImageScaling } from "./append-steps.ts";
import { checkModel } from "./check-model.ts";
import { GraphBuilder } from "./graph-builder.ts";
import { opsetOf } from "./graph-editor.ts";
import { summarizeModel } from "./model-summary.ts";
import type { ModelProto } from "./schema.ts";
import { float32, int64, numbers, runModel } from "./test-runtime.ts";

const OPSETS = [11, 13, 17, 18, 21, 22];

/** hidden = x, [batch, sequence, 2], in a model of an opset; the mask is another input. */
function encoder(opset: number): ModelProto {
  const g = new GraphBuilder({ opset });
  const x = g.input("x", "float32", ["batch", "sequence", 2]);
  const mask = g.input("mask", "int64", ["batch", "sequence"]);
  // The mask is an input of the graph, as it is of encoders, and takes part without an effect.
  const nothing = g.mul(g.cast(mask, { to: 1 }), g.scalar(0));
  const column = opset >= 13 ? g.unsqueeze(nothing, g.ints([2])) : g.unsqueeze(nothing, null, { axes: [2] });
  g.output("hidden", g.add(x, column));
  return g.toModel();
}

// Two texts: tokens [1, 2], [3, -4], padding [100, 100]; and padding only.
const X = float32([2, 3, 2], [1, 2, 3, -4, 100, 100, 7, 7, 7, 7, 7, 7]);
const MASK = int64([2, 3], [1, 1, 0, 0, 0, 0]);

/** Runs the steps; the mask is the graph's own input. */
async function run(opset: number, steps: AppendedStep[], outputs: string[]) {
  const model = appendSteps(encoder(opset), steps, outputs);
  expect(checkModel(model)).toEqual([]);
  expect(opsetOf(model)).toBe(opset);
  return runModel(model, { x: X, mask: MASK });
}

for (const opset of OPSETS) {
  test(`mean, max and cls pooling leave padding out, at opset ${opset}`, async () => {
    const pool = (mode: "mean" | "max" | "cls"): AppendedStep => ({
      pool: { from: "hidden", mask: "mask", mode, as: mode },
    });
    const fetched = await run(opset, [pool("mean"), pool("max"), pool("cls")], ["mean", "max", "cls"]);
    expect(fetched.mean?.shape).toEqual([2, 2]);
    expect(numbers(fetched.mean)).toEqual([2, -1, 0, 0]);
    expect(numbers(fetched.max)).toEqual([3, 2, 0, 0]);
    expect(numbers(fetched.cls)).toEqual([1, 2, 7, 7]);
  });

  test(`pooled rows are normalised and zeros stay zeros, at opset ${opset}`, async () => {
    const steps: AppendedStep[] = [
      { pool: { from: "hidden", mask: "mask", mode: "max", as: "pooled" } },
      { normalize: { from: "pooled", as: "default" } },
    ];
    const fetched = await run(opset, steps, ["default"]);
    const [a, b, c, d] = numbers(fetched.default);
    expect(a).toBeCloseTo(3 / Math.sqrt(13), 6);
    expect(b).toBeCloseTo(2 / Math.sqrt(13), 6);
    expect([c, d]).toEqual([0, 0]);
    expect(Object.keys(fetched)).toEqual(["default"]);
  });

  test(`softmax and sigmoid go along the last axis, at opset ${opset}`, async () => {
    const steps: AppendedStep[] = [
      { softmax: { from: "hidden", as: "p" } },
      { sigmoid: { from: "hidden", as: "s" } },
    ];
    const fetched = await run(opset, steps, ["p", "s", "hidden"]);
    expect(numbers(fetched.p)[0]).toBeCloseTo(1 / (1 + Math.E), 6);
    expect(numbers(fetched.s)[1]).toBeCloseTo(1 / (1 + Math.exp(-2)), 6);
    expect(fetched.p?.shape).toEqual([2, 3, 2]);
    expect(numbers(fetched.hidden)).toEqual(numbers(X));
  });
}

test("without a mask every position counts", async () => {
  const model = appendSteps(encoder(20), [{ pool: { from: "hidden", mode: "mean", as: "m" } }], ["m"]);
  const { m } = await runModel(model, { x: X, mask: MASK });
  expect(numbers(m).map((value) => Math.round(value * 1000))).toEqual([34667, 32667, 7000, 7000]);
});

test("infinities at padded positions don't reach the result", async () => {
  const x = float32([1, 2, 2], [1, 2, Number.POSITIVE_INFINITY, Number.NaN]);
  const g = new GraphBuilder();
  g.input("mask", "int64", ["batch", "sequence"]);
  g.output("hidden", g.identity(g.input("x", "float32", ["batch", "sequence", 2])));
  const steps = (["mean", "max"] as const).map(
    (mode): AppendedStep => ({ pool: { from: "hidden", mask: "mask", mode, as: mode } }),
  );
  const fetched = await runModel(appendSteps(g.toModel(), steps, ["mean", "max"]), {
    x,
    mask: int64([1, 2], [1, 0]),
  });
  expect([numbers(fetched.mean), numbers(fetched.max)]).toEqual([
    [1, 2],
    [1, 2],
  ]);
});

test("steps that don't fit are refused with a sentence", () => {
  const append =
    (step: AppendedStep, outputs = ["o"]) =>
    () =>
      appendSteps(encoder(20), [step], outputs);
  expect(append({ normalize: { from: "ghost", as: "o" } })).toThrow(/no tensor "ghost"/);
  expect(append({ pool: { from: "mask", mode: "cls", as: "o" } })).toThrow(/takes \[batch, sequence, n\]/);
  expect(append({ sigmoid: { from: "hidden", as: "o" } }, ["p"])).toThrow(/None of the outputs/);
  expect(append({ sigmoid: { from: "hidden", as: "x" } }, ["x"])).toThrow(
    /taken by a tensor of the first graph/,
  );
});

test("images are fed as bytes once scaling is part of the graph", async () => {
  const g = new GraphBuilder({ opset: 12 });
  g.output(
    "sum",
    g.reduceSum(g.input("pixels", "float32", ["batch", 3, 2, 1]), null, { axes: [2, 3], keepdims: 0 }),
  );
  const scaling = {
    input: "pixels",
    as: "image",
    mean: [0.5, 0, 0.25],
    deviation: [0.5, 1, 0.25],
    layout: "nchw",
  } as const;
  const model = prependImageScaling(g.toModel(), scaling);
  expect(summarizeModel(model).inputs).toEqual([{ name: "image", type: "uint8", shape: ["batch", 2, 1, 3] }]);
  const image = {
    dtype: "uint8" as const,
    shape: [1, 2, 1, 3],
    data: Uint8Array.of(255, 51, 0, 0, 102, 255),
  };
  const { sum } = await runModel(model, { image });
  // (1−0.5)/0.5 + (0−0.5)/0.5 = 0; 0.2 + 0.4; (0−0.25)/0.25 + (1−0.25)/0.25 = 2
  expect(numbers(sum).map((value) => Math.round(value * 1e5) / 1e5)).toEqual([0, 0.6, 2]);
});
