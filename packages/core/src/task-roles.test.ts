import { expect, test } from "vitest";
import { type Manifest, manifestSchema } from "./manifest.ts";
import { classificationOutput, embeddingOutput } from "./task-roles.ts";

const run = (inputs: Record<string, string>, outputs: Record<string, string>) => ({
  run: { graph: "model.onnx", inputs, outputs },
});
const manifest = (task: string, signature: object): Manifest =>
  manifestSchema.parse({ schemaVersion: 1, task, signatures: { default: signature } });

const text = { text: { dtype: "string", shape: ["batch"] } };
const photo = { image: { dtype: "image", shape: ["batch"] } };
const vector = { dtype: "float32", shape: ["batch", 8] };

test("the embedding is the output called default, else the first of floats", () => {
  const names = { other: vector, default: vector };
  expect(embeddingOutput(manifest("text-embedding", { inputs: text, outputs: names }))).toEqual({
    signature: "default",
    input: "text",
    takes: "text",
    output: "default",
  });
  const outputs = { words: { dtype: "int64", shape: ["batch"] }, vector };
  expect(embeddingOutput(manifest("text-embedding", { inputs: text, outputs })).output).toBe("vector");
});

const classifier = {
  inputs: photo,
  outputs: {
    "top.labels": { dtype: "string", shape: ["batch", "k"] },
    "top.scores": { dtype: "float32", shape: ["batch", "k"] },
  },
  steps: [
    { image: { from: "image", as: "pixels" } },
    run({ x: "pixels" }, { y: "logits" }),
    { softmax: { from: "logits", as: "scores" } },
    { labels: { from: "scores", labels: "labels.txt", as: "top", independent: true } },
  ],
};

test("labels and scores are those of the labels step", () => {
  expect(classificationOutput(manifest("image-classification", classifier))).toEqual({
    signature: "default",
    input: "image",
    takes: "image",
    labels: "top.labels",
    scores: "top.scores",
    independent: true,
  });
});

test.each([
  ["another task", manifest("text-generation", { inputs: text, outputs: { default: vector } })],
  ["a classifier", manifest("image-classification", classifier)],
  [
    "an input that is no text",
    manifest("text-embedding", { inputs: { x: vector }, outputs: { default: vector } }),
  ],
  [
    "no output of floats",
    manifest("text-embedding", { inputs: text, outputs: { n: { dtype: "int64", shape: ["batch"] } } }),
  ],
])("embed is refused for %s", (_, module) => {
  expect(() => embeddingOutput(module)).toThrow(expect.objectContaining({ code: "task-mismatch" }));
});

test("classify is refused for a classifier whose labels are no outputs", () => {
  const signature = { inputs: text, outputs: { default: vector } };
  expect(() => classificationOutput(manifest("text-classification", signature))).toThrow(
    expect.objectContaining({ code: "task-mismatch" }),
  );
});
