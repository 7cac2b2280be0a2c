import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assembleExample, listExamples } from "@modulehub/examples";
import { denseFeatures, type ExampleSet, openLocalModule } from "@modulehub/runtime";
import { openSession } from "@modulehub/runtime/session";
import { judged, type Row, told } from "../serving/row.ts";
import { train } from "./runs.ts";

const HANDLE = "modulehub/imagenet/efficientnet-lite0/feature-vector";
const WIDTH = 1280;
const SEEDS = [0, 1, 2, 3, 4];
/** Set beforehand, for so few examples: there is nothing to choose settings on. */
const SETTINGS = {
  head: { hidden: [], standardize: false },
  optimizer: { name: "adam" },
  learningRate: 0.003,
  l2: 0.01,
  steps: 100,
  batch: 32,
};

/** Each photo is told by a head that was trained on all others; right answers of the worst of five seeds. */
export async function photos(folder: string): Promise<Row[]> {
  const classes = readdirSync(folder).sort();
  if (classes.length !== 2) throw new Error(`${folder} has ${classes.length} folders instead of two`);
  const files = classes.flatMap((name, label) =>
    readdirSync(join(folder, name)).map((file) => ({ bytes: readFileSync(join(folder, name, file)), label })),
  );
  const vectors = await featureVectors(files.map(({ bytes }) => bytes));
  const right: number[] = [];
  for (const seed of SEEDS) {
    let count = 0;
    for (const [left, { label }] of files.entries()) {
      const others = files.flatMap((_, at) => (at === left ? [] : [at]));
      const set: ExampleSet = {
        features: denseFeatures(Float32Array.from(others.flatMap((at) => [...vectors[at]!])), WIDTH),
        labels: { kind: "softmax", classes: Int32Array.from(others, (at) => files[at]!.label) },
      };
      const trained = await train({
        settings: { ...SETTINGS, seed },
        ends: { features: WIDTH, outputs: 2 },
        train: set,
      });
      count += await trained.accuracy(denseFeatures(vectors[left]!, WIDTH), Int32Array.of(label));
      await trained.close();
    }
    right.push(count);
  }
  const sizes = classes.map(
    (name, label) => `${files.filter((file) => file.label === label).length} ${name}`,
  );
  return [
    told("photos", "photos", files.length, "", sizes.join(", ")),
    judged("right when left out, worst of 5 seeds", "photosRight", Math.min(...right), {
      atLeast: files.length - 1,
    }),
  ];
}

export async function featureVectors(images: readonly Uint8Array[]): Promise<Float32Array[]> {
  const listed = (await listExamples()).find(({ handle }) => handle === HANDLE);
  if (!listed) throw new Error(`${HANDLE} is no example`);
  const into = mkdtempSync(join(tmpdir(), "modulehub-photos-"));
  try {
    const { folder } = await assembleExample(listed, into);
    const module = await openLocalModule(folder, openSession, { threads: 2 });
    const vectors: Float32Array[] = [];
    for (const image of images) {
      const { outputs } = await module.run(
        "default",
        new Map([["image", { dtype: "image", shape: [1], data: [image] }]]),
      );
      const [vector] = outputs.values();
      if (vector?.dtype !== "float32") throw new Error("there is no feature vector");
      vectors.push(vector.data);
    }
    await module.close();
    return vectors;
  } finally {
    rmSync(into, { recursive: true });
  }
}
