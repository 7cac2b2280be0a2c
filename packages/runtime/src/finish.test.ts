import type { LabelsStep, Signature, Tensor } from "@modulehub/core";
import { expect, test } from "vitest";
import { finishOutputs } from "./finish.ts";
import { planSignature } from "./plan.ts";

const NAMES = ["red", "green", "blue", "grey"];

/** The labels of one item whose scores rise with the classes, where the manifest and somebody say how many. */
function labelsOf(kept: number | undefined, topK: number | undefined): unknown {
  const labels: LabelsStep = { from: "scores", labels: "labels.txt", as: "top", ...(kept && { topK: kept }) };
  const signature: Signature = {
    inputs: { x: { dtype: "float32", shape: ["batch", 4] } },
    outputs: { "top.labels": { dtype: "string", shape: ["batch", "k"] } },
    steps: [{ run: { graph: "model.onnx", inputs: { x: "x" }, outputs: { y: "scores" } } }, { labels }],
  };
  const plan = planSignature(signature);
  const y: Tensor = { dtype: "float32", shape: [1, 4], data: Float32Array.of(1, 2, 3, 4) };
  const fetches = new Map([...plan.fetches.values()].map((name) => [name, y]));
  const outputs = finishOutputs(signature, plan, () => NAMES, { kept: new Map() }, fetches, undefined, topK);
  return outputs.get("top.labels")?.data;
}

test("no more labels are made than somebody wants, nor than the manifest keeps", () => {
  expect(labelsOf(undefined, undefined)).toEqual(["grey", "blue", "green", "red"]);
  expect(labelsOf(undefined, 2)).toEqual(["grey", "blue"]);
  expect(labelsOf(3, 2)).toEqual(["grey", "blue"]);
  expect(labelsOf(1, 2)).toEqual(["grey"]);
  expect(labelsOf(1, undefined)).toEqual(["grey"]);
});
