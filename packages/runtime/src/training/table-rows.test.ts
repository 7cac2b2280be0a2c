import { Readable } from "node:stream";
import { trainingSettingsSchema } from "@modulehub/core";
import { buildTrainingProgram, cutAtTables, GraphBuilder, modelBytes, RandomSequence } from "@modulehub/onnx";
import { expect, test } from "vitest";
import { openSessionFromBytes } from "../session.ts";
import type { TableRows } from "./contract.ts";
import { runTraining } from "./run-training.ts";

const ROWS = 60;
const DIMENSIONS = 3;
const RATE = 0.1;

/** A base whose output is the sum of an example's rows of a table; its last row is the padding. */
function sums(start: Float32Array) {
  const g = new GraphBuilder({ opset: 20 });
  const ids = g.input("ids", "int64", ["batch", "n"]);
  const table = g.constant({ dtype: "float32", shape: [ROWS, DIMENSIONS], data: start }, "vectors");
  g.output("default", g.reduceSum(g.gather(table, ids), g.ints([1]), { keepdims: 0 }));
  return cutAtTables(g.toModel(), "default");
}

/**
 * One step by SGD on the squared error of w·Σ rows + b, as on paper, in float64; all gradients together are scaled down to
 * the norm `limit` where theirs is larger.
 */
function onPaper(
  start: Float32Array,
  { rows, offsets }: TableRows,
  targets: Float32Array,
  weight: Float32Array,
  limit = Number.POSITIVE_INFINITY,
) {
  const batch = offsets.length - 1;
  const ofTable = new Float64Array(start.length);
  const ofHead = new Float64Array(DIMENSIONS + 1);
  for (let example = 0; example < batch; example++) {
    const own = [...rows.subarray(offsets[example], offsets[example + 1])].filter((row) => row !== ROWS - 1);
    const sum = Array.from({ length: DIMENSIONS }, (_, at) =>
      own.reduce((total, row) => total + start[row * DIMENSIONS + at]!, 0),
    );
    const said = sum.reduce((total, value, at) => total + value * weight[at]!, 0);
    const slope = (2 * (said - targets[example]!)) / batch;
    for (const [at, value] of [...sum, 1].entries()) ofHead[at]! += slope * value;
    for (const row of own)
      for (let at = 0; at < DIMENSIONS; at++) ofTable[row * DIMENSIONS + at]! += slope * weight[at]!;
  }
  const norm = Math.hypot(...ofTable, ...ofHead);
  return Float64Array.from(start, (value, at) => value - RATE * ofTable[at]! * Math.min(1, limit / norm));
}

/** The rows of some examples, in their order. */
function listsAt({ rows, offsets }: TableRows, examples: Uint32Array): TableRows {
  const lists = [...examples].map((at) => [...rows.subarray(offsets[at], offsets[at + 1])]);
  const ends = new Int32Array(lists.length + 1);
  for (const [at, list] of lists.entries()) ends[at + 1] = ends[at]! + list.length;
  return { rows: Int32Array.from(lists.flat()), offsets: ends };
}

/** Each example's rows, drawn from the first `of` of the table, and one of zeros. */
function batchOf(
  random: RandomSequence,
  examples: number,
  { length, of }: { length: number; of: number },
): TableRows {
  const lists = Array.from({ length: examples }, () => [
    ...Array.from({ length: random.below(length + 1) }, () => random.below(of)),
    ROWS - 1,
  ]);
  const offsets = new Int32Array(examples + 1);
  for (const [at, list] of lists.entries()) offsets[at + 1] = offsets[at]! + list.length;
  return { rows: Int32Array.from(lists.flat()), offsets };
}

test("a run that trains a table goes on from any checkpoint to the same bits", async () => {
  const random = new RandomSequence(9, "initialize");
  const start = Float32Array.from({ length: ROWS * DIMENSIONS }, () => random.normal());
  start.fill(0, (ROWS - 1) * DIMENSIONS);
  const batch = batchOf(random, 12, { length: 30, of: 59 });
  const base = sums(start);
  const run = async (name: "adagrad" | "adam", stored?: Uint8Array) => {
    const settings = trainingSettingsSchema.parse({
      ...{ head: { hidden: [4] }, optimizer: { name }, learningRate: 0.05 },
      ...{ steps: 9, batch: 5, validateEvery: 2, checkpointEvery: 1, trainable: true },
    });
    const program = buildTrainingProgram(settings, { features: DIMENSIONS, outputs: 2 }, base);
    const set = {
      features: {
        examples: 12,
        feeds: () => new Map(),
        tableRows: (_: string, at: Uint32Array) => listsAt(batch, at),
      },
      labels: { kind: "softmax" as const, classes: Int32Array.from({ length: 12 }, (_, at) => at % 2) },
    };
    const checkpoints: Uint8Array[] = [];
    const session = (model: typeof program.steps) =>
      openSessionFromBytes(modelBytes(model), "", { threads: 1 });
    const [steps, evaluate] = [await session(program.steps), await session(program.evaluate)];
    const events = runTraining({
      ...{ program, settings, steps, evaluate, train: set, validation: set },
      tables: new Map([["vectors", start.slice()]]),
      checkpoint: {
        read: async () => stored && Readable.from([stored]),
        write: async (pieces) => void checkpoints.push(Buffer.concat([...pieces])),
      },
    });
    let next = await events.next();
    while (!next.done) next = await events.next();
    await Promise.all([steps.close(), evaluate.close()]);
    return { ...next.value, checkpoints };
  };
  for (const name of ["adagrad", "adam"] as const) {
    const whole = await run(name);
    expect(whole.checkpoints).toHaveLength(9);
    for (const stored of [whole.checkpoints[0]!, whole.checkpoints[4]!]) {
      const resumed = await run(name, stored);
      expect(resumed.tables).toEqual(whole.tables);
      expect(resumed.parameters).toEqual(whole.parameters);
      expect(resumed.bestStep).toBe(whole.bestStep);
    }
  }
});

test.each<[string, number, { length: number; of: number }, number?]>([
  ["many rows that one example alone has", 3, { length: 20, of: 59 }],
  ["rows that are had by several and often", 6, { length: 12, of: 5 }],
  ["examples without a row", 4, { length: 0, of: 1 }],
  ["one example", 1, { length: 40, of: 59 }],
  ["many rows that one example alone has, and a limit", 3, { length: 20, of: 59 }, 0.5],
])("a step on a batch with %s moves each row as on paper", async (_, examples, sizes, limit?: number) => {
  const random = new RandomSequence(examples, "initialize");
  const start = Float32Array.from({ length: ROWS * DIMENSIONS }, () => random.normal());
  start.fill(0, (ROWS - 1) * DIMENSIONS);
  const batch = batchOf(random, examples, sizes);
  const targets = Float32Array.from({ length: examples }, () => random.normal());
  const settings = trainingSettingsSchema.parse({
    head: { output: "linear" },
    optimizer: { name: "sgd" },
    learningRate: RATE,
    steps: 1,
    batch: examples,
    trainable: true,
    ...(limit !== undefined && { clipNorm: limit }),
  });
  const base = sums(start);
  const program = buildTrainingProgram(settings, { features: DIMENSIONS, outputs: 1 }, base);
  const open = (model: typeof program.steps) => openSessionFromBytes(modelBytes(model), "", { threads: 1 });
  const [steps, evaluate] = [await open(program.steps), await open(program.evaluate)];
  const feeds = new Map<string, Float32Array>();
  // What the head starts from is asked of the step itself.
  const watched = {
    ...{ inputs: steps.inputs, outputs: steps.outputs, executionProviders: steps.executionProviders },
    close: () => steps.close(),
    run: (fed: Parameters<typeof steps.run>[0]) => {
      const tensor = fed.get("output/weight");
      if (tensor?.dtype === "float32") feeds.set("weight", tensor.data.slice());
      return steps.run(fed);
    },
  };
  const run = runTraining({
    ...{ program, settings, steps: watched, evaluate },
    train: {
      features: { examples, feeds: () => new Map(), tableRows: (_name, wanted) => listsAt(batch, wanted) },
      labels: { kind: "linear", values: targets, width: 1 },
    },
    tables: new Map([["vectors", start.slice()]]),
  });
  let next = await run.next();
  while (!next.done) next = await run.next();
  const trained = next.value.tables.get("vectors")!;
  onPaper(start, batch, targets, feeds.get("weight")!, limit).forEach((value, at) => {
    expect(trained[at]).toBeCloseTo(value, 4);
  });
  await steps.close();
  await evaluate.close();
});
