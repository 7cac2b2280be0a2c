import { trainingSettingsSchema } from "@modulehub/core";
import { expect, test } from "vitest";
import { buildTextEmbedding } from "../build/text-embedding.ts";
import { makeMessage } from "../decode.ts";
import { GraphBuilder } from "../graph-builder.ts";
import type { ModelProto } from "../schema.ts";
import { float32, int64, numbers, runModel, texts } from "../test-runtime.ts";
import type { Value } from "../value.ts";
import { tensorValue } from "../value-type.ts";
import { buildTrainingProgram } from "./build-program.ts";
import { cutAtTables } from "./trainable-base.ts";

const SOURCE = {
  words: ["good", "bad", "film", "plot", "dull"],
  dimensions: 2,
  vectors: Float32Array.of(1, 2, -1, 0.5, 0.25, -2, 3, 1, -0.5, -1),
};
const build = (storage: "float32" | "int8", normalize = true) =>
  buildTextEmbedding(SOURCE, { normalize, hashedShare: 0, buckets: 1, storage });
const INPUT = { text: texts(["Good film", "a dull, dull plot!", ""]) };

test.each(["float32", "int8"] as const)(
  "a text embedding of %s is cut into rows, tables and the rest",
  async (storage) => {
    const base = cutAtTables(build(storage), "default");
    const [table] = base.tables;
    expect(base.tables.length).toBe(1);
    expect(base.features).toBe(2);
    expect(table).toMatchObject({ rows: 8, dimensions: 2, reads: "sums" });
    const front = await runModel(base.front, INPUT);
    const rows = front[table!.rowsFrom]!;
    expect(rows.dtype).toBe("int64");
    const vectors = table!.read();
    const count = numbers(front[base.feeds[0]!.name]);
    // Row 5 is that of 's, which counts for nothing, row 6 the bucket of unknown words, row 7 padding.
    expect(numbers(rows)).toEqual([0, 2, 7, 7, 6, 4, 4, 3, 7, 7, 7, 7]);
    const sums = [0, 1, 2].flatMap((text) =>
      [0, 1].map((column) => {
        const words = numbers(rows).slice(text * 4, text * 4 + 4);
        return words.reduce((sum, row) => sum + vectors[row * 2 + column]!, 0) / count[text]!;
      }),
    );
    const whole = numbers((await runModel(build(storage), INPUT)).default);
    whole.forEach((value, at) => {
      expect(value).toBeCloseTo(sums[at]!, 5);
    });
  },
);

test.each(["float32", "int8"] as const)("a table of %s is replaced by a trained one", async (storage) => {
  const base = cutAtTables(build(storage), "default");
  const { name } = base.tables[0]!;
  const trained = Float32Array.from({ length: 16 }, (_, at) => (at < 14 ? at + 1 : 0));
  const fetched = await runModel(base.withTables(new Map([[name, trained]])), INPUT);
  // Rows 0 and 2 over √2; then 6, 4, 4, 3 over √4; by hand.
  const expected = [
    (1 + 5) / Math.SQRT2,
    (2 + 6) / Math.SQRT2,
    (13 + 9 + 9 + 7) / 2,
    (14 + 10 + 10 + 8) / 2,
    0,
    0,
  ];
  numbers(fetched.default).forEach((value, at) => {
    expect(value).toBeCloseTo(expected[at]!, 5);
  });
  expect(Object.keys(fetched)).toEqual(["default"]);
});

test("a table whose vectors are read one by one is fed by positions, and has the gradients of all of them", async () => {
  const g = new GraphBuilder({ opset: 20 });
  const ids = g.input("ids", "int64", ["batch", "n"]);
  const vectors = g.gather(g.constant(float32([3, 2], [1, 2, 3, 4, 0, 0]), "vectors"), ids);
  g.output("default", g.reduceMax(g.tanh(vectors), g.ints([1]), { keepdims: 0 }));
  const base = cutAtTables(g.toModel(), "default");
  expect(base.tables).toMatchObject([{ name: "vectors", reads: "positions", rowsFrom: "ids" }]);
  const settings = trainingSettingsSchema.parse({ optimizer: { name: "sgd" }, head: { output: "linear" } });
  const program = buildTrainingProgram(settings, { features: 2, outputs: 1 }, base);
  const fetched = await runModel(program.steps, {
    count: int64([], [1]),
    "output/weight": float32([2, 1], [1, 1]),
    "output/bias": float32([1], [0]),
    vectors: float32([3, 2], [1, 2, 3, 4, 0, 0]),
    "vectors/touched/rows": { dtype: "int32", shape: [2], data: Int32Array.of(0, 1) },
    "vectors/positions": int64([1, 1, 3], [1, 0, 2]),
    labels: float32([1, 1, 1], [0]),
    exampleWeights: float32([1, 1], [1]),
    classWeights: float32([1, 1], [1]),
    learningRate: float32([1], [1]),
    stepNumber: float32([1], [1]),
  });
  // The largest in both columns is row 1's: y = tanh 3 + tanh 4, and dL/dv = 2y·(1 − tanh² v); the others have none.
  const y = Math.tanh(3) + Math.tanh(4);
  const next = [1, 2, 3 - 2 * y * (1 - Math.tanh(3) ** 2), 4 - 2 * y * (1 - Math.tanh(4) ** 2)];
  numbers(fetched["next/vectors/touched"]).forEach((value, at) => {
    expect(value).toBeCloseTo(next[at]!, 5);
  });
});

test("a graph without tables, and one with an operator that can't be differentiated, are refused by name", () => {
  const without = new GraphBuilder();
  without.output("y", without.relu(without.input("x", "float32", ["batch", 2])));
  expect(() => cutAtTables(without.toModel(), "y")).toThrow(
    expect.objectContaining({ code: "trainable-missing" }),
  );

  const folded = new GraphBuilder();
  const pixels = folded.input("x", "float32", ["batch", 1, 4, 4]);
  folded.output("y", folded.conv(pixels, folded.constant(float32([1, 1, 4, 4], new Array(16).fill(1)))));
  expect(() => cutAtTables(folded.toModel(), "y")).toThrow(
    expect.objectContaining({ code: "gradient-missing", message: expect.stringMatching(/^Conv, which/) }),
  );

  // Rows that are the same for every example, as places in a text are.
  const placed = new GraphBuilder();
  const order = placed.range(placed.scalar(0, "int64"), placed.scalar(2, "int64"), placed.scalar(1, "int64"));
  const places = placed.gather(placed.constant(float32([2, 2], [1, 2, 3, 4]), "places"), order);
  const all = placed.reduceMax(places, placed.ints([0]), { keepdims: 0 });
  placed.output("y", placed.add(placed.input("x", "float32", ["batch", 2]), all));
  expect(() => cutAtTables(placed.toModel(), "y")).toThrow(
    expect.objectContaining({
      code: "trainable-missing",
      message: expect.stringMatching(/^Range, which makes "\w+" for the rows of "places", gives int64 \[/),
    }),
  );

  const g = new GraphBuilder({ opset: 20 });
  const vectors = g.gather(g.constant(float32([2, 2], [1, 2, 3, 4])), g.input("ids", "int64", ["batch", 4]));
  const [best] = g.nodes("TopK", [vectors, g.ints([1])], { axis: 1 }, 2);
  g.output("y", g.squeeze(best!, g.ints([1])));
  const base = cutAtTables(g.toModel(), "y");
  const settings = trainingSettingsSchema.parse({});
  expect(() => buildTrainingProgram(settings, { features: 2, outputs: 2 }, base)).toThrow(
    expect.objectContaining({ code: "gradient-missing", message: expect.stringContaining("TopK") }),
  );
});

/** y = the largest row of a table that `ids` choose, through what `tied` makes of the matrix itself. */
function tiedTable(tied: (g: GraphBuilder, vectors: Value, table: Value) => Value): ModelProto {
  const g = new GraphBuilder({ opset: 20 });
  const table = g.constant(float32([3, 2], [1, 2, 3, 4, 0, 0]), "vectors");
  const vectors = g.gather(table, g.input("ids", "int64", ["batch", "n"]));
  g.output("y", tied(g, g.reduceMax(vectors, g.ints([1]), { keepdims: 0 }), table));
  return g.toModel();
}
const readTwice = expect.objectContaining({
  code: "trainable-missing",
  message: 'The embedding table "vectors" is read in 2 places; train the head alone.',
});

test("a table whose matrix the graph reads too, as tied weights do, is refused", () => {
  const scores = tiedTable((g, vectors, table) => g.matMul(vectors, g.transpose(table, { perm: [1, 0] })));
  expect(() => cutAtTables(scores, "y")).toThrow(readTwice);
  const twice = tiedTable((g, vectors, table) =>
    g.add(vectors, g.gather(table, g.input("id", "int64", ["batch"]))),
  );
  expect(() => cutAtTables(twice, "y")).toThrow(readTwice);
});

test("a table that a branch reads, or gives as it is, is read twice", () => {
  const plain = tiedTable((_, vectors) => vectors);
  const branch = makeMessage("GraphProto", {
    name: "branch",
    node: [makeMessage("NodeProto", { opType: "ReduceMax", input: ["vectors"], output: ["largest"] })],
    output: [tensorValue("largest", "float32", [1, 1])],
  });
  const given = makeMessage("GraphProto", {
    name: "given",
    output: [tensorValue("vectors", "float32", [3, 2])],
  });
  for (const g of [branch, given]) {
    const attribute = ["then_branch", "else_branch"].map((name) =>
      makeMessage("AttributeProto", {
        name,
        type: 5,
        g: name === "then_branch" ? g : { ...branch, node: [] },
      }),
    );
    const choice = makeMessage("NodeProto", { opType: "If", input: ["yes"], output: ["factor"], attribute });
    const product = makeMessage("NodeProto", { opType: "Mul", input: ["y", "factor"], output: ["z"] });
    const graph = plain.graph!;
    const model = {
      ...plain,
      graph: {
        ...graph,
        input: [...graph.input, tensorValue("yes", "bool", [])],
        node: [...graph.node, choice, product],
        output: [tensorValue("z", "float32", ["batch", 2])],
      },
    };
    expect(() => cutAtTables(model, "z")).toThrow(readTwice);
  }
});
