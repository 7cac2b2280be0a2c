import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Manifest, type Tensor, trainingSettingsSchema } from "@modulehub/core";
import {
  buildTextEmbedding,
  buildTrainingProgram,
  cutAtTables,
  type ModelProto,
  modelBytes,
} from "@modulehub/onnx";
import { afterAll, expect, test } from "vitest";
import { openLocalModule, runModule } from "../local.ts";
import { openSession, openSessionFromBytes } from "../session.ts";
import { composeClassifier, embeddingGraph } from "./compose.ts";
import type { ExampleSet, TrainingResult, TrainingRun } from "./contract.ts";
import { predictLogits } from "./evaluate.ts";
import { denseFeatures } from "./features.ts";
import { runTraining } from "./run-training.ts";
import { TableFeatures } from "./table-features.ts";

const folder = mkdtempSync(join(tmpdir(), "modulehub-compose-"));
afterAll(() => rmSync(folder, { recursive: true }));

const TEXTS = [
  "a good film, a wonderful plot",
  "dull, and far too long",
  "wonderful! good! good!",
  "the plot is dull and bad",
  "good actors in a wonderful story",
  "a long and bad story",
];
const CLASSES = Int32Array.of(1, 0, 1, 0, 1, 0);
const LABELS = ["against", "for"];
const HELD_OUT = ["a dull story", "", "wonderful film!", "nothing that is known: zzz"];

const MANIFEST: Manifest = {
  schemaVersion: 1,
  task: "text-embedding",
  signatures: {
    default: {
      inputs: { text: { dtype: "string", shape: ["batch"], maxWords: 100 } },
      outputs: { default: { dtype: "float32", shape: ["batch", 6] } },
    },
  },
  examples: [{ signature: "default", inputs: { text: ["a good film"] } }],
};

const words = [
  ...new Set(
    TEXTS.join(" ")
      .toLowerCase()
      .match(/[a-z]+/g),
  ),
];
const vectors = {
  words,
  dimensions: 6,
  vectors: Float32Array.from({ length: words.length * 6 }, (_, at) => Math.sin(at * 1.7)),
};

async function writeModule(name: string, files: Record<string, string | Uint8Array>): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) await writeFile(join(path, file), content);
  return path;
}

const texts = (data: string[]): Map<string, Tensor> =>
  new Map([["text", { dtype: "string", shape: [data.length], data }]]);

async function train(run: Omit<TrainingRun, "steps" | "evaluate">): Promise<TrainingResult> {
  const open = (model: ModelProto) => openSessionFromBytes(modelBytes(model), folder, { threads: 1 });
  const [steps, evaluate] = [await open(run.program.steps), await open(run.program.evaluate)];
  try {
    const events = runTraining({ ...run, steps, evaluate });
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value;
    }
  } finally {
    await steps.close();
    await evaluate.close();
  }
}

async function composedScores(composed: ReturnType<typeof composeClassifier>, name: string) {
  const path = await writeModule(name, {
    "module.json": JSON.stringify(composed.manifest),
    [composed.graphPath]: modelBytes(composed.model),
    "labels.txt": composed.labels ?? "",
  });
  return runModule(path, "default", texts(HELD_OUT), openSession);
}

/** Each text's first label is that of its larger logit, its score softmax of both. */
function expectLabels(outputs: ReadonlyMap<string, Tensor>, logits: Float32Array): void {
  for (let text = 0; text < HELD_OUT.length; text++) {
    const [against, favour] = [logits[2 * text]!, logits[2 * text + 1]!];
    expect(outputs.get("classes.labels")?.data[2 * text]).toBe(LABELS[favour > against ? 1 : 0]);
    const score = 1 / (1 + Math.exp(-Math.abs(favour - against)));
    expect(floats(outputs.get("classes.scores"))[2 * text]).toBeCloseTo(score, 5);
  }
}

const floats = (tensor: Tensor | undefined): number[] => Array.from(tensor?.data ?? [], Number);

test("base, head and labels as one module give the logits of the pair", async () => {
  const base = buildTextEmbedding(vectors, { normalize: true, storage: "int8" });
  const baseFolder = await writeModule("base", {
    "module.json": JSON.stringify(MANIFEST),
    "model.onnx": modelBytes(base),
  });
  const local = await openLocalModule(baseFolder, openSession);
  const embed = async (data: string[]) => (await local.run("default", texts(data))).outputs.get("default")!;
  const embedded = await embed(TEXTS);
  const heldOut = await embed(HELD_OUT);
  await local.close();
  if (embedded.dtype !== "float32" || heldOut.dtype !== "float32") throw new Error("no embeddings");

  const settings = trainingSettingsSchema.parse({
    head: { hidden: [5], activation: "gelu", standardize: true },
    learningRate: 0.05,
    steps: 60,
    batch: 3,
  });
  const ends = {
    features: 6,
    outputs: 2,
    scaling: { mean: new Float32Array(6).fill(0.1), deviation: new Float32Array(6).fill(0.5) },
  };
  const program = buildTrainingProgram(settings, ends);
  const set: ExampleSet = {
    features: denseFeatures(embedded.data, 6),
    labels: { kind: "softmax", classes: CLASSES },
  };
  const { parameters } = await train({ program, settings, train: set });
  const evaluate = await openSessionFromBytes(modelBytes(program.evaluate), folder, { threads: 1 });
  const logits = await predictLogits(program, evaluate, { parameters }, denseFeatures(heldOut.data, 6));
  await evaluate.close();

  const composed = composeClassifier({
    base,
    manifest: MANIFEST,
    head: settings.head,
    ends,
    parameters,
    labels: LABELS,
  });
  expect(composed.manifest.task).toBe("text-classification");
  const outputs = await composedScores(composed, "composed");
  floats(outputs.get("default")).forEach((value, at) => {
    expect(Math.abs(value - logits[at]!)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(logits[at]!)));
  });
  expectLabels(outputs, logits);
});

test("a base that was trained too is composed with its trained tables", async () => {
  const base = buildTextEmbedding(vectors, { normalize: true, storage: "int8" });
  const embedding = embeddingGraph(base, MANIFEST);
  const cut = cutAtTables(embedding.model, embedding.output);
  const settings = trainingSettingsSchema.parse({
    head: { hidden: [4], activation: "tanh" },
    learningRate: 0.05,
    optimizer: { name: "adagrad" },
    steps: 80,
    batch: 4,
    trainable: true,
  });
  const ends = { features: 6, outputs: 2 };
  const program = buildTrainingProgram(settings, ends, cut);
  const tables = new Map(cut.tables.map((table) => [table.name, table.read()]));
  const front = await openSessionFromBytes(modelBytes(cut.front), folder, { threads: 1 });
  const featuresOf = async (data: string[]) => {
    const collected = new TableFeatures(cut, tables);
    for (let start = 0; start < data.length; start += 2)
      collected.add(await front.run(texts(data.slice(start, start + 2))));
    return collected.finish();
  };
  const set: ExampleSet = {
    features: await featuresOf(TEXTS),
    labels: { kind: "softmax", classes: CLASSES },
  };
  const before = tables.get(cut.tables[0]!.name)!.slice();
  const result = await train({ program, settings, train: set, tables });
  const trained = result.tables.get(cut.tables[0]!.name)!;
  expect(trained).not.toEqual(before);
  // Rows that no text has, and padding, stay as they were.
  expect(trained.subarray(-6)).toEqual(new Float32Array(6));
  const evaluate = await openSessionFromBytes(modelBytes(program.evaluate), folder, { threads: 1 });
  const logits = await predictLogits(program, evaluate, result, await featuresOf(HELD_OUT));
  await evaluate.close();
  await front.close();

  const composed = composeClassifier({
    base: cut.withTables(result.tables),
    manifest: MANIFEST,
    head: settings.head,
    ends,
    parameters: result.parameters,
    labels: LABELS,
  });
  const outputs = await composedScores(composed, "composed-trained");
  floats(outputs.get("default")).forEach((value, at) => {
    expect(Math.abs(value - logits[at]!)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(logits[at]!)));
  });
  expectLabels(outputs, logits);
});

test("a batch of texts without words trains the head, and no row of a table", async () => {
  const cut = cutAtTables(buildTextEmbedding(vectors, { storage: "float32" }), "default");
  const settings = trainingSettingsSchema.parse({
    optimizer: { name: "adam" },
    steps: 3,
    batch: 4,
    trainable: true,
  });
  const program = buildTrainingProgram(settings, { features: 6, outputs: 2 }, cut);
  const before = cut.tables[0]!.read();
  const tables = new Map([[cut.tables[0]!.name, before.slice()]]);
  const front = await openSessionFromBytes(modelBytes(cut.front), folder, { threads: 1 });
  const collected = new TableFeatures(cut, tables);
  collected.add(await front.run(texts(["", " ", "", ""])));
  await front.close();
  const labels = { kind: "softmax" as const, classes: Int32Array.of(1, 1, 1, 1) };
  const result = await train({ program, settings, train: { features: collected.finish(), labels }, tables });
  expect(result.tables.get(cut.tables[0]!.name)).toEqual(before);
  const [against, favour] = result.parameters.get("output/bias")!;
  expect(favour!).toBeGreaterThan(against!);
});

test("labels that are more or fewer than the outputs are refused", () => {
  const base = buildTextEmbedding(vectors, { storage: "float32" });
  const settings = trainingSettingsSchema.parse({});
  expect(() =>
    composeClassifier({
      base,
      manifest: MANIFEST,
      head: settings.head,
      ends: { features: 6, outputs: 2 },
      parameters: new Map(),
      labels: ["one"],
    }),
  ).toThrow(expect.objectContaining({ code: "graph-invalid" }));
});
