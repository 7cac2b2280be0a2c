import { expect, test } from "vitest";
import { graphPath, runStep, type Signature, signatureSchema } from "./signature.ts";
import { signatureFaults } from "./signature-wiring.ts";
import type { Step } from "./steps.ts";

const run: Step = { run: { graph: "model.onnx", inputs: { input: "x" }, outputs: { output: "y" } } };
const signature = (steps: Step[], change: Partial<Signature> = {}): Signature => ({
  inputs: { x: { dtype: "float32", shape: ["batch", 4] } },
  outputs: { y: { dtype: "float32", shape: ["batch", 4] } },
  steps,
  ...change,
});
const text: Signature["inputs"] = { x: { dtype: "string", shape: ["batch"], maxWords: 10 } };
const photo: Signature["inputs"] = { x: { dtype: "image", shape: ["batch"] } };
const decode = (fields: object = {}) => ({ image: { from: "x", as: "pixels", ...fields } });
const runPixels: Step = {
  run: { graph: "model.onnx", inputs: { input: "pixels" }, outputs: { output: "y" } },
};

test("steps that hand on what they make have no fault", () => {
  expect(signatureFaults(signature([run]))).toEqual([]);
  expect(signatureFaults(signature([decode({ mean: [0, 0, 0] }), runPixels], { inputs: photo }))).toEqual([]);
  expect(
    signatureFaults(signature([decode({ channels: "gray", mean: [0] }), runPixels], { inputs: photo })),
  ).toEqual([]);
  expect(signatureFaults(signature([run], { inputs: text }))).toEqual([]);
});

const labels: Step = { labels: { from: "y", labels: "labels.txt", as: "top" } };

test.each<[string, Signature, string]>([
  ["a name that nothing makes", signature([run, { softmax: { from: "z", as: "p" } }]), "Step 1 reads z"],
  ["a name that is made later", signature([{ softmax: { from: "y", as: "p" } }, run]), "Step 0 reads y"],
  [
    "a name made twice",
    signature([run, { softmax: { from: "y", as: "y" } }]),
    "Step 1 makes y, which exists",
  ],
  [
    "an input's name made again",
    signature([run, { sigmoid: { from: "y", as: "x" } }]),
    "makes x, which exists",
  ],
  [
    "one name for two outputs of the graph",
    signature([{ run: { graph: "m.onnx", inputs: { i: "x" }, outputs: { a: "y", b: "y" } } }]),
    "makes y, which exists",
  ],
  ["no run step", signature([{ normalize: { from: "x", as: "y" } }]), "exactly one run step, not 0"],
  [
    "two run steps",
    signature([run, { run: { ...run.run, outputs: { output: "z" } } }]),
    "exactly one run step, not 2",
  ],
  [
    "pooling before the run",
    signature([{ pool: { from: "x", mode: "cls", as: "p" } }, run]),
    "after the run",
  ],
  ["decoding after the run", signature([runPixels, decode()], { inputs: photo }), "before the run"],
  [
    "an output that no step makes",
    signature([run], { outputs: { z: { dtype: "int8", shape: [] } } }),
    "Output z",
  ],
  [
    "an input that no step reads",
    signature([run], { inputs: { x: { dtype: "int8", shape: [] }, unused: { dtype: "int8", shape: [] } } }),
    "Input unused",
  ],
  ["an image fed to the graph", signature([run], { inputs: photo }), "an image step must decode it"],
  ["an image without steps", { ...signature([]), inputs: photo, steps: undefined }, "needs an image step"],
  ["decoding what is no image", signature([decode(), runPixels]), "no image input"],
  [
    "tokenizing what is no text",
    signature([{ tokenize: { from: "x", tokenizer: "tokenizer.json", as: "t" } }, run]),
    "no string input",
  ],
  [
    "an image as output",
    signature([run], { outputs: { y: { dtype: "image", shape: [] } } }),
    "can't be an image",
  ],
  [
    "three means for one channel",
    signature([decode({ channels: "gray", mean: [1, 2, 3] }), runPixels], { inputs: photo }),
    "3 values in mean",
  ],
  [
    "one deviation for three channels",
    signature([decode({ deviation: [1] }), runPixels], { inputs: photo }),
    "1 values in deviation",
  ],
  [
    "steps after labels",
    signature([run, labels, { softmax: { from: "top.scores", as: "p" } }]),
    "only be an output",
  ],
  ["a graph beside steps", signature([run], { graph: "model.onnx" }), "graph is only"],
  [
    "maxWords of numbers",
    signature([run], { inputs: { x: { dtype: "int8", shape: [], maxWords: 3 } } }),
    "maxWords",
  ],
  [
    "maxWords of an output",
    signature([run], { outputs: { y: { dtype: "string", shape: [], maxWords: 3 } } }),
    "maxWords",
  ],
])("%s is a fault with a sentence", (_what, faulty, words) => {
  const faults = signatureFaults(faulty);
  expect(faults.join(" ")).toContain(words);
  for (const fault of faults) expect(fault).toMatch(/^\S.*\.$/);
  const result = signatureSchema.safeParse(faulty);
  expect(result.error?.issues.map((issue) => issue.message)).toEqual(faults);
});

test("a signature without steps runs model.onnx with its own names", () => {
  const plain = { ...signature([]), steps: undefined };
  expect(runStep(plain)).toEqual({ graph: "model.onnx", inputs: { x: "x" }, outputs: { y: "y" } });
  expect(graphPath({ ...plain, graph: "other.onnx" })).toBe("other.onnx");
  expect(runStep(signature([run]))).toEqual(run.run);
});
