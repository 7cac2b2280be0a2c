import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InputTensor } from "@modulehub/core";
import { cutOutputs, decodeModel, modelBytes } from "@modulehub/onnx";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LocalModule, openLocalModule } from "./local.ts";
import { openSession } from "./session.ts";

const EXAMPLES = join(import.meta.dirname, "../../../examples");
const MODULES = join(EXAMPLES, "modules/efficientnet-lite0");

interface Photo {
  top5: { index: number; label: string }[];
  committedTop1: number;
  featureVector: number[];
}

/** What Python with Pillow and ONNX Runtime makes of each photo; `origin` names the script and the versions. */
const reference: { photos: Record<string, Photo> } = JSON.parse(
  await readFile(join(EXAMPLES, "photos/reference.json"), "utf8"),
);

let folder: string;
let classifier: LocalModule;
let extractor: LocalModule;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "modulehub-photos-"));
  const [classes, features] = [join(folder, "classification"), join(folder, "feature-vector")];
  await cp(join(MODULES, "classification"), classes, { recursive: true });
  await cp(join(MODULES, "feature-vector"), features, { recursive: true });
  const graph = decodeModel(await readFile(join(classes, "model.onnx")));
  await writeFile(join(features, "model.onnx"), modelBytes(cutOutputs(graph, ["feature_vector"])));
  classifier = await openLocalModule(classes, openSession, { threads: 2 });
  extractor = await openLocalModule(features, openSession, { threads: 2 });
});
afterAll(async () => {
  await classifier.close();
  await extractor.close();
  await rm(folder, { recursive: true });
});

const photo = async (name: string) => {
  const data = [await readFile(join(EXAMPLES, "photos", name))];
  return new Map<string, InputTensor>([["image", { dtype: "image", shape: [1], data }]]);
};

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  return dot / (Math.hypot(...a) * Math.hypot(...b));
}

describe.each(Object.entries(reference.photos))("%s", (name, expected) => {
  test("is named as Python names it", async () => {
    const { outputs } = await classifier.run("default", await photo(name), ["classes.labels"]);
    const labels = outputs.get("classes.labels");
    const names = (await readFile(join(MODULES, "classification/labels.txt"), "utf8")).split("\n");
    expect(labels?.data[0]).toBe(names[expected.committedTop1]);
    expect(expected.top5[0]?.index).toBe(expected.committedTop1);
  });

  test("has Python's feature vector but for decoding and resizing", async () => {
    const { outputs } = await extractor.run("default", await photo(name));
    const [vector] = outputs.values();
    if (vector?.dtype !== "float32") throw new Error("The feature vector is float32.");
    expect(vector.shape).toEqual([1, expected.featureVector.length]);
    expect(cosine(Array.from(vector.data), expected.featureVector)).toBeGreaterThan(0.999);
  });
});
