import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DTYPES, type Dtype, type Tensor } from "@modulehub/core";
import { GraphBuilder, readModel, type Value } from "@modulehub/onnx";
import { openSession } from "@modulehub/runtime/session";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../testing/modules.ts";
import { type BatchingEvidence, proveBatching } from "./batching-evidence.ts";
import { openAxesOf, paddingByName } from "./batching-items.ts";
import { varyTensors } from "./tensor-variations.ts";

let place: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  place = await temporaryFolder();
});
afterAll(async () => {
  await place.remove();
});

let graphs = 0;

/** The evidence for a graph, with one example of each input, as inspection gathers it. */
async function evidenceFor(
  build: (g: GraphBuilder) => void,
  example: Record<string, Tensor>,
  requests: Record<string, Tensor>[] = [],
): Promise<BatchingEvidence> {
  const g = new GraphBuilder({ name: "subject" });
  build(g);
  const bytes = g.toBytes();
  const path = join(place.folder, `${graphs++}.onnx`);
  await writeFile(path, bytes);
  const session = await openSession(path, { threads: 1 });
  const openAxes = openAxesOf(session.inputs);
  const item = new Map(Object.entries(example));
  try {
    return await proveBatching({
      operators: Object.keys(readModel(bytes).operators),
      inputs: session.inputs,
      outputs: session.outputs,
      requests: requests.map((request) => new Map(Object.entries(request))),
      candidates: [{ feeds: item, extreme: false }, ...varyTensors(item, openAxes)],
      padding: paddingByName(openAxes),
      run: (feeds) => session.run(feeds),
      until: performance.now() + 20_000,
    });
  } finally {
    await session.close();
  }
}

const floats = (shape: number[], ...data: number[]): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(data),
});
const ints = (shape: number[], ...data: number[]): Tensor => ({
  dtype: "int64",
  shape,
  data: BigInt64Array.from(data.map(BigInt)),
});
const x3 = { x: floats([1, 3], 0.5, -1.25, 2) };
const input = (g: GraphBuilder, shape: (string | number)[] = ["batch", 3], dtype: Dtype = "float32"): Value =>
  g.input("x", dtype, shape);
const largest = (g: GraphBuilder, x: Value): Value => g.reduceMax(g.abs(x), g.ints([0, 1]), { keepdims: 1 });
const rows = (g: GraphBuilder, x: Value): Value =>
  g.cast(g.slice(g.shape(x), g.ints([0]), g.ints([1])), { to: DTYPES.float32.code });

describe("what items don't influence each other batches", () => {
  test("a linear layer", async () => {
    const weights = floats([3, 2], 1, -2, 0.5, 0.25, 3, 1);
    const { batching, evidence } = await evidenceFor((g) => {
      g.output("y", g.relu(g.matMul(input(g), g.constant(weights))));
    }, x3);
    expect(evidence.join("\n")).toContain("changed no result");
    expect(batching).toEqual({ inputs: { x: 0 }, outputs: { y: 0 }, pad: {} });
  });

  test("a mean over tokens under a mask, with padding", async () => {
    const { batching } = await evidenceFor(maskedMean, tokens);
    expect(batching).toEqual({
      inputs: { ids: 0, mask: 0 },
      outputs: { y: 0 },
      pad: { ids: { axis: 1, value: 0 }, mask: { axis: 1, value: 0 } },
    });
  });
});

const vectors = Array.from({ length: 32 * 4 }, (_, index) => Math.sin(index * 1.7));
const tokens = { ids: ints([1, 5], 7, 3, 9, 1, 4), mask: ints([1, 5], 1, 1, 1, 1, 1) };

function embedded(g: GraphBuilder): { hidden: Value; mask: Value } {
  const ids = g.input("ids", "int64", ["batch", "sequence"]);
  const mask = g.input("mask", "int64", ["batch", "sequence"]);
  const hidden = g.gather(g.constant(floats([32, 4], ...vectors)), ids);
  return { hidden, mask: g.unsqueeze(g.cast(mask, { to: DTYPES.float32.code }), g.ints([2])) };
}

function maskedMean(g: GraphBuilder): void {
  const { hidden, mask } = embedded(g);
  const sum = g.reduceSum(g.mul(hidden, mask), g.ints([1]), { keepdims: 0 });
  const count = g.reduceSum(mask, g.ints([1]), { keepdims: 0 });
  g.output("y", g.div(sum, g.max([count, g.scalar(1)])));
}

describe("a graph that is made to deceive comes out as none", () => {
  const deceivers: Record<string, (g: GraphBuilder) => void> = {
    "subtracts the mean over the batch": (g) => {
      const x = input(g);
      g.output("y", g.sub(x, g.reduceMean(x, g.ints([0]), { keepdims: 1 })));
    },
    "has a softmax over axis 0": (g) => {
      g.output("y", g.softmax(input(g), { axis: 0 }));
    },
    "sums up along the batch": (g) => {
      g.output("y", g.cumSum(input(g), g.scalar(0, "int64")));
    },
    "takes the largest of the batch": (g) => {
      const x = input(g);
      g.output("y", g.add(x, g.mul(g.scalar(0.001), g.reduceMax(x, g.ints([0]), { keepdims: 1 }))));
    },
    "gives the rows in another order": (g) => {
      const x = input(g);
      const first = g.slice(x, g.ints([1]), g.ints([1_000_000]), g.ints([0]));
      g.output("y", g.concat([first, g.slice(x, g.ints([0]), g.ints([1]), g.ints([0]))], { axis: 0 }));
    },
    "has its batch on axis 1": (g) => {
      g.output("y", g.cumSum(input(g, ["sequence", "batch", 2]), g.scalar(0, "int64")));
    },
    "has a fixed batch": (g) => {
      g.output("y", g.relu(input(g, [1, 3])));
    },
    "has an output without a batch": (g) => {
      const x = input(g);
      g.output("y", g.relu(x));
      g.output("mean", g.reduceMean(x, g.ints([0, 1]), { keepdims: 0 }));
    },
    "couples only three rows and more": (g) => {
      const x = input(g);
      const many = g.greater(rows(g, x), g.scalar(2.5));
      g.output("y", g.where(many, g.add(x, g.reduceSum(x, g.ints([0]), { keepdims: 1 })), x));
    },
    "couples only twelve rows and more": (g) => {
      const x = input(g);
      const many = g.greater(rows(g, x), g.scalar(11.5));
      g.output("y", g.where(many, g.add(x, g.reduceSum(x, g.ints([0]), { keepdims: 1 })), x));
    },
    "couples only where something in the batch is large": (g) => {
      const x = input(g);
      const large = g.greater(largest(g, x), g.scalar(1e5));
      g.output("y", g.where(large, g.add(x, g.reduceMean(x, g.ints([0]), { keepdims: 1 })), x));
    },
    "gives the mates only to who sends something large": (g) => {
      const x = input(g);
      const mean = g.reduceMean(g.min([x, g.scalar(10)]), g.ints([0]), { keepdims: 1 });
      g.output("y", g.where(g.greater(x, g.scalar(1e5)), mean, x));
    },
    "draws a scale from the whole batch": (g) => {
      const [quantized, scale, zero] = g.nodes("DynamicQuantizeLinear", [input(g)], {}, 3);
      g.output("y", g.dequantizeLinear(quantized!, scale!, zero!));
    },
    "keeps the best rows of the batch": (g) => {
      const [values] = g.nodes("TopK", [input(g), g.shape(input2(g))], { axis: 0 }, 2);
      g.output("y", values!);
    },
  };
  const examples: Record<string, Record<string, Tensor>> = {
    "has its batch on axis 1": { x: floats([1, 1, 2], 0.5, -1) },
    "keeps the best rows of the batch": { ...x3, k: floats([1], 1) },
  };
  for (const [name, build] of Object.entries(deceivers))
    test(`one that ${name}`, async () => {
      const { batching, evidence } = await evidenceFor(build, examples[name] ?? x3);
      expect(batching, evidence.join("\n")).toBe("none");
      expect(evidence.at(-1)).toMatch(/\.$/);
    });

  test("one whose first axis is time, seen in an example of several steps", async () => {
    const build = (g: GraphBuilder) => {
      const x = input(g, ["time", 2]);
      const half = g.mul(g.cumSum(x, g.scalar(0, "int64")), g.scalar(0.5));
      g.output("y", half);
    };
    const { batching } = await evidenceFor(build, { x: floats([1, 2], 1, 2) }, [
      { x: floats([3, 2], 1, 2, 3, 4, 5, 6) },
    ]);
    expect(batching).toBe("none");
  });
});

/** A second input of one row an item: as many as there are rows. */
const input2 = (g: GraphBuilder): Value => g.input("k", "float32", ["batch"]);

describe("padding that shows in a result is not used", () => {
  const unmasked: Record<string, (g: GraphBuilder) => void> = {
    "a mean that takes no notice of the mask": (g) => {
      const { hidden, mask } = embedded(g);
      const zero = g.mul(g.reduceSum(mask, g.ints([1]), { keepdims: 0 }), g.scalar(0));
      g.output("y", g.add(g.reduceMean(hidden, g.ints([1]), { keepdims: 0 }), zero));
    },
    "a vector for each token": (g) => {
      const { hidden, mask } = embedded(g);
      g.output("y", g.mul(hidden, mask));
    },
    "a mean that divides by the padded length": (g) => {
      const { hidden, mask } = embedded(g);
      g.output("y", g.reduceMean(g.mul(hidden, mask), g.ints([1]), { keepdims: 0 }));
    },
  };
  for (const [name, build] of Object.entries(unmasked))
    test(name, async () => {
      const { batching, evidence } = await evidenceFor(build, tokens);
      expect(batching).toMatchObject({ pad: {} });
      expect(evidence.at(-1)).toContain("Padding is not proven");
    });
});
