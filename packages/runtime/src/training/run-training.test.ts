import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type TrainingSettings, trainingSettingsSchema } from "@modulehub/core";
import { buildTrainingProgram, modelBytes, RandomSequence } from "@modulehub/onnx";
import { afterAll, expect, test } from "vitest";
import { openSessionFromBytes } from "../session.ts";
import type { Session } from "../session-contract.ts";
import type { CheckpointStore, ExampleSet, TrainingEvent, TrainingResult, TrainingRun } from "./contract.ts";
import { predictLogits } from "./evaluate.ts";
import { denseFeatures } from "./features.ts";
import { bestOf } from "./labels.ts";
import { runTraining } from "./run-training.ts";

const folder = mkdtempSync(join(tmpdir(), "modulehub-training-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Keeps the last checkpoint. */
class KeptCheckpoint implements CheckpointStore {
  bytes: Buffer | undefined;

  async read() {
    return this.bytes && Readable.from([this.bytes]);
  }

  async write(pieces: Iterable<Uint8Array>) {
    this.bytes = Buffer.concat([...pieces]);
  }
}

const WIDTH = 4;
const CLASSES = 3;

/** Points around three centres, one a class: what is near which is known, so that right answers are. */
function points(examples: number, seed: number, spread = 0.3): ExampleSet {
  const random = new RandomSequence(seed, "initialize");
  const centres = [
    [1, 0, 0, 1],
    [-1, 1, 0, 0],
    [0, -1, 1, 0],
  ];
  const classes = Int32Array.from({ length: examples }, (_, at) => at % CLASSES);
  const values = Float32Array.from(
    [...classes].flatMap((one) => (centres[one] ?? []).map((centre) => centre + spread * random.normal())),
  );
  return { features: denseFeatures(values, WIDTH), labels: { kind: "softmax", classes } };
}

async function withRun<T>(
  given: object,
  sets: Pick<TrainingRun, "train" | "validation" | "checkpoint" | "signal">,
  use: (run: TrainingRun) => Promise<T>,
): Promise<T> {
  const settings: TrainingSettings = trainingSettingsSchema.parse(given);
  const program = buildTrainingProgram(settings, { features: WIDTH, outputs: CLASSES });
  const open = (model: typeof program.steps) =>
    openSessionFromBytes(modelBytes(model), folder, { threads: 1 });
  const [steps, evaluate] = [await open(program.steps), await open(program.evaluate)];
  try {
    return await use({ program, settings, steps, evaluate, ...sets });
  } finally {
    await steps.close();
    await evaluate.close();
  }
}

async function finish(
  run: TrainingRun,
  on: (event: TrainingEvent) => void = () => {},
): Promise<TrainingResult> {
  const events = runTraining(run);
  for (;;) {
    const { done, value } = await events.next();
    if (done) return value;
    on(value);
  }
}

const SETTINGS = {
  head: { hidden: [8, 6], activation: "gelu", dropout: 0.25 },
  optimizer: { name: "adamw" },
  learningRate: 0.01,
  steps: 60,
  batch: 7,
  checkpointEvery: 20,
  validateEvery: 10,
  seed: 5,
};

test("a head learns which centre a point is near", async () => {
  const settings = { head: { hidden: [16] }, learningRate: 0.02, steps: 200, batch: 16 };
  await withRun(settings, { train: points(90, 1) }, async (run) => {
    const { parameters } = await finish(run);
    const test = points(60, 2);
    const logits = await predictLogits(run.program, run.evaluate, { parameters }, test.features);
    const right = Array.from(
      { length: 60 },
      (_, at) => bestOf(logits.subarray(at * 3, at * 3 + 3)) === at % 3,
    );
    expect(right.filter(Boolean).length).toBeGreaterThanOrEqual(58);
  });
});

test("the same seed gives the same bits, another seed others", async () => {
  const sets = { train: points(40, 1), validation: points(20, 2) };
  const train = (given: object) => withRun(given, sets, (run) => finish(run));
  const first = await train(SETTINGS);
  expect(await train(SETTINGS)).toEqual(first);
  expect(await train({ ...SETTINGS, seed: 6 })).not.toEqual(first);
});

test("a run that was stopped at any step goes on to the bits of one that wasn't", async () => {
  const sets = { train: points(40, 1), validation: points(20, 2) };
  const whole = await withRun(SETTINGS, sets, (run) => finish(run));
  for (const stopAt of [1, 2, 5]) {
    const checkpoint = new KeptCheckpoint();
    const stop = new AbortController();
    const reason = new Error("stopped");
    let runs = 0;
    await withRun(SETTINGS, { ...sets, checkpoint, signal: stop.signal }, async (run) => {
      const counted: Session = {
        inputs: run.steps.inputs,
        outputs: run.steps.outputs,
        executionProviders: run.steps.executionProviders,
        run: (feeds, fetches) => {
          runs += 1;
          if (runs === stopAt) stop.abort(reason);
          return run.steps.run(feeds, fetches);
        },
        close: () => run.steps.close(),
      };
      await expect(finish({ ...run, steps: counted })).rejects.toBe(reason);
    });
    const seen: TrainingEvent[] = [];
    const resumed = await withRun(SETTINGS, { ...sets, checkpoint }, (run) =>
      finish(run, (event) => seen.push(event)),
    );
    expect(seen[0]).toMatchObject({
      kind: "resumed",
      step: expect.toSatisfy((step) => step > 0 && step < 60),
    });
    expect(resumed).toEqual(whole);
  }
});

test("how many steps one run of the graph makes changes no bit", async () => {
  const sets = { train: points(40, 1) };
  const many = await withRun(SETTINGS, sets, (run) => finish(run));
  // A checkpoint after every step leaves no run with more than one.
  const checkpoint = new KeptCheckpoint();
  const single = await withRun({ ...SETTINGS, checkpointEvery: 1 }, { ...sets, checkpoint }, (run) =>
    finish(run),
  );
  expect(single).toEqual(many);
});

test("a run whose checkpoint is whole ends at once, with the same result", async () => {
  const sets = { train: points(40, 1), checkpoint: new KeptCheckpoint() };
  const first = await withRun(SETTINGS, sets, (run) => finish(run));
  const seen: TrainingEvent[] = [];
  expect(await withRun(SETTINGS, sets, (run) => finish(run, (one) => seen.push(one)))).toEqual(first);
  expect(seen).toEqual([{ kind: "resumed", step: SETTINGS.steps }]);
});

test("a damaged checkpoint, and one of other settings, are refused", async () => {
  const checkpoint = new KeptCheckpoint();
  const sets = { train: points(40, 1), checkpoint };
  await withRun(SETTINGS, sets, (run) => finish(run));
  const bytes = checkpoint.bytes!;
  await expect(withRun({ ...SETTINGS, batch: 8 }, sets, (run) => finish(run))).rejects.toMatchObject({
    code: "checkpoint-invalid",
  });
  for (const at of [3, 40, bytes.length >> 1, bytes.length - 1]) {
    const damaged = Buffer.from(bytes);
    damaged[at]! ^= 1;
    checkpoint.bytes = damaged;
    await expect(withRun(SETTINGS, sets, (run) => finish(run))).rejects.toMatchObject({
      code: "checkpoint-invalid",
    });
  }
  checkpoint.bytes = bytes.subarray(0, bytes.length - 100);
  await expect(withRun(SETTINGS, sets, (run) => finish(run))).rejects.toMatchObject({
    code: "checkpoint-invalid",
  });
});

test("a run that diverges stops at the first step without a finite number, and says what to try", async () => {
  const settings = { ...SETTINGS, optimizer: { name: "sgd" }, learningRate: 1e30, head: { hidden: [4] } };
  await expect(withRun(settings, { train: points(40, 1) }, (run) => finish(run))).rejects.toMatchObject({
    code: "training-diverged",
    message: expect.stringMatching(/step [2-9].*learning rate of 1e\+29/),
  });
});

test("early stopping keeps the weights of the smallest validation loss", async () => {
  // Labels that say nothing: what is learned of them makes others worse.
  const random = new RandomSequence(3, "initialize");
  const noise = (set: ExampleSet): ExampleSet => ({
    ...set,
    labels: {
      kind: "softmax",
      classes: Int32Array.from({ length: set.features.examples }, () => random.below(3)),
    },
  });
  const sets = { train: noise(points(30, 1)), validation: noise(points(60, 2)) };
  const settings = { ...SETTINGS, head: { hidden: [32] }, steps: 1000, patience: 3, learningRate: 0.02 };
  const looks: { step: number; loss: number }[] = [];
  const result = await withRun(settings, sets, (run) =>
    finish(run, (event) => {
      if (event.kind === "validation") looks.push(event);
    }),
  );
  expect(result.ended).toBe("early");
  const best = looks.reduce((least, look) => (look.loss < least.loss ? look : least));
  expect(result.bestStep).toBe(best.step);
  expect(result.steps).toBe(best.step + 3 * SETTINGS.validateEvery);
  const short = await withRun({ ...settings, steps: best.step }, sets, (run) => finish(run));
  expect(short.parameters).toEqual(result.parameters);
});

test("balanced class weights are those of the training set, also where validation lacks a class", async () => {
  const few = points(20, 2);
  const validation: ExampleSet = { ...few, labels: { kind: "softmax", classes: new Int32Array(20) } };
  const settings = { ...SETTINGS, classWeights: "balanced" };
  const looks: TrainingEvent[] = [];
  await withRun(settings, { train: points(40, 1), validation }, (run) =>
    finish(run, (event) => looks.push(event)),
  );
  expect(looks.filter(({ kind }) => kind === "validation").length).toBe(6);
  const lacking: ExampleSet = { ...points(40, 1), labels: { kind: "softmax", classes: new Int32Array(40) } };
  await expect(withRun(settings, { train: lacking }, (run) => finish(run))).rejects.toMatchObject({
    code: "invalid-request",
  });
});
