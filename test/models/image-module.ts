import { copyFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import type { ImageStep, Step } from "@modulehub/core";
import { temporaryFolder } from "../e2e/hub.ts";
import { testData } from "./test-data.ts";

/** A graph of the test data, and how photos become its input. */
export interface ImageModule {
  /** Its path in the test data. */
  graph: string;
  task: string;
  image: Omit<ImageStep, "from" | "as">;
  /** The graph's input and outputs by their names there. */
  input: string;
  outputs: Record<string, (number | string)[]>;
  /** After the run; the last output is then that of these steps. */
  after?: Step[];
  more?: Record<string, { dtype: "string" | "float32"; shape: (number | string)[] }>;
  batch?: number | string;
  /** A photo of the test data that the module brings along as its example. */
  example?: string;
  assets?: string[];
}

/** A folder of a module with this graph behind an image step. */
export function imageModule(module: ImageModule): string {
  const { graph, task, image, input, outputs, after = [], more = {}, batch = "batch", example } = module;
  const folder = temporaryFolder();
  copyFileSync(testData(graph), join(folder, "model.onnx"));
  for (const asset of module.assets ?? [])
    copyFileSync(testData(asset), join(folder, asset.split("/").at(-1)!));
  const examples: object[] = [];
  if (example !== undefined) {
    const file = `example${extname(example)}`;
    copyFileSync(testData(example), join(folder, file));
    examples.push({ inputs: { image: [{ file }] } });
  }
  const names = Object.fromEntries(Object.keys(outputs).map((name) => [name, name]));
  const signature = {
    inputs: { image: { dtype: "image", shape: [batch] } },
    outputs: {
      ...Object.fromEntries(
        Object.entries(outputs).map(([name, shape]) => [name, { dtype: "float32", shape }]),
      ),
      ...more,
    },
    steps: [
      { image: { ...image, from: "image", as: "pixels" } },
      { run: { graph: "model.onnx", inputs: { [input]: "pixels" }, outputs: names } },
      ...after,
    ],
  };
  const manifest = {
    schemaVersion: 1,
    task,
    signatures: { default: signature },
    examples,
  };
  writeFileSync(join(folder, "module.json"), JSON.stringify(manifest));
  return folder;
}

/** As the SOURCE.md of image-mobilenet-v2-int8 prepares photos. */
export const MOBILENET_PIXELS: ImageModule["image"] = {
  resize: { shorter: 256 },
  interpolation: "bilinear",
  crop: { width: 224, height: 224 },
  mean: [0.485, 0.456, 0.406],
  deviation: [0.229, 0.224, 0.225],
};

/** A MobileNet of the test data as a classifier of photos. */
export const mobilenet = (graph: string, batch: number | string): ImageModule => ({
  graph: `image-mobilenet-v2-int8/${graph}`,
  task: "image-classification",
  image: MOBILENET_PIXELS,
  input: "input",
  outputs: { output: [batch, 1000] },
  after: [
    { softmax: { from: "output", as: "probabilities" } },
    { labels: { from: "probabilities", labels: "synset.txt", as: "classes" } },
  ],
  more: {
    "classes.labels": { dtype: "string", shape: [batch, 1000] },
    "classes.scores": { dtype: "float32", shape: [batch, 1000] },
  },
  batch,
  example: "photos/skimage-coffee.png",
  assets: ["image-mobilenet-v2-int8/synset.txt"],
});
