import type { JobTask } from "@modulehub/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jobWorker, trainTask } from "../testing/job-worker.ts";
import type { TestModule } from "../testing/modules.ts";
import { photo, photoFeatures } from "../testing/photo-module.ts";
import { sentenceTransformer, wordVectors } from "../testing/text-modules.ts";

/** What is trained on which base, and what is refused before anything is read of the data. */

let worker: Awaited<ReturnType<typeof jobWorker>>;
beforeAll(async () => {
  worker = await jobWorker();
}, 60_000);
afterAll(() => worker.end());

const CSV = `text,label\n${Array.from({ length: 48 }, (_, row) =>
  row % 2 === 0 ? `cat sat ${row},feline` : `dog ran ${row},canine`,
).join("\n")}\n`;
const texts = () => worker.data(CSV, { format: "csv", split: { test: 0.25 } });
const SETTINGS = { steps: 60, batch: 8, learningRate: 0.05, seed: 3 };

const PHOTOS = {
  cat: ["chelsea.png", "chelsea-turned.jpg"],
  thing: ["camera.png", "china.jpg", "coffee.webp", "flower.jpg", "rocket.jpg"],
};
const photos = () =>
  worker.data(
    `image,label\n${Object.entries(PHOTOS)
      .flatMap(([label, names]) => names.map((name) => `${photo(name).toString("base64")},${label}`))
      .join("\n")}\n`,
    { format: "csv", columns: { image: "image" }, split: { test: 0 } },
  );

/** What a job said but for progress, and the stages that it came to. */
async function saidOf(task: JobTask) {
  const all = await worker.wholeOf(task);
  const stages = all.flatMap((message) => (message.message === "progress" ? [message.progress.stage] : []));
  return { stages: [...new Set(stages)], said: all.filter(({ message }) => message !== "progress") };
}

/** The loss on the train split of what a job trained. */
async function lossOf(task: JobTask): Promise<number> {
  const { result } = await worker.resultOf(task);
  const train = result.kind === "train" ? result.evaluations.train : undefined;
  return train?.target === "class" ? train.logLoss : Number.NaN;
}

/** Scores by label that a module made by a job gives for some texts. */
async function scoresOf(module: TestModule, inputs: string[]): Promise<Record<string, number>[]> {
  const answer = await worker.post("/v1/classify", module, { inputs });
  expect(answer.statusCode).toBe(200);
  const { results } = answer.json<{ results: { label: string; score: number }[][] }>();
  return results.map((row) => Object.fromEntries(row.map(({ label, score }) => [label, score])));
}

test("a head on an image feature vector is composed with the preparation of photos", async () => {
  const base = worker.source.add(photoFeatures());
  const trained = await worker.resultOf(
    trainTask(base, photos(), { ...SETTINGS, learningRate: 0.01, batch: 4 }, { card: {} }),
  );
  expect(trained.result).toMatchObject({ features: 1280, evaluations: { train: { accuracy: 1 } } });
  const inputs = [...PHOTOS.cat, "rocket.jpg"].map((name) => ({ b64: photo(name).toString("base64") }));
  const answer = await worker.post("/v1/classify", worker.madeModule(trained), { inputs });
  expect(answer.json().results.map(([best]: { label: string }[]) => best!.label)).toEqual([
    "cat",
    "cat",
    "thing",
  ]);
}, 120_000);

// Which operators have no gradient rule: packages/onnx/src/operators.
test.each<[string, () => TestModule, () => ReturnType<typeof texts>, string, RegExp]>([
  ["an image base", photoFeatures, photos, "gradient-missing", /^Conv, which makes "stem\.conv", has no/],
  [
    "a transformer",
    sentenceTransformer,
    texts,
    "trainable-missing",
    /^Mul, which makes "\w+" beside the embedding table, gives float32 \[batch, 1, 1, sequence\], not/,
  ],
])(
  "%s that can't be trained is refused by the operator's name, before anything starts",
  async (_what, make, data, code, detail) => {
    const base = worker.source.add(make());
    const { stages, said } = await saidOf(trainTask(base, data(), { ...SETTINGS, trainable: true }));
    expect(stages).toEqual(["fetching"]);
    expect(said).toEqual([
      {
        message: "problem",
        problem: expect.objectContaining({ code, status: 422, detail: expect.stringMatching(detail) }),
      },
    ]);
  },
  60_000,
);

test("a base's tables are trained: the loss falls below that of the head alone", async () => {
  const base = worker.source.add(wordVectors());
  const after = (steps: number, trainable: boolean) =>
    lossOf(trainTask(base, texts(), { ...SETTINGS, steps, trainable, learningRate: 0.02 }));
  const trained = await after(60, true);
  expect(trained).toBeLessThan(await after(1, true));
  expect(trained).toBeLessThan(await after(60, false));
}, 60_000);

const SENTENCES = ["a cat sat", "the dog ran under the house", ""];

test.each([
  ["the head alone on a transformer", sentenceTransformer, false],
  ["a base's tables too", () => wordVectors(), true],
] as const)(
  "weights in a file of their own change nothing: %s",
  async (_what, inline, trainable) => {
    const outside = trainable
      ? wordVectors({ weightsBeside: true })
      : sentenceTransformer(undefined, { weightsBeside: true });
    const scores: Record<string, number>[][] = [];
    const paths: string[][] = [];
    for (const made of [inline(), outside]) {
      const base = worker.source.add(made);
      const result = await worker.resultOf(
        trainTask(base, texts(), { ...SETTINGS, trainable }, { card: {} }),
      );
      paths.push(result.files.map(({ path }) => path));
      scores.push(await scoresOf(worker.madeModule(result), SENTENCES));
    }
    const [expected, found] = scores;
    for (const [at, row] of expected!.entries())
      for (const [label, score] of Object.entries(row))
        expect(Math.abs(found![at]![label]! - score)).toBeLessThanOrEqual(1e-6);
    // Those that were trained are in the graph; those that weren't stay where they are.
    const weights = "weights/model.onnx_data";
    expect(paths.map((list) => list.includes(weights))).toEqual([false, !trainable]);
  },
  120_000,
);
