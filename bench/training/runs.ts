import { type TrainingSettings, trainingSettingsSchema } from "@modulehub/core";
import {
  buildTrainingProgram,
  type HeadEnds,
  modelBytes,
  type TrainableBase,
  type TrainingProgram,
} from "@modulehub/onnx";
import {
  type ExampleSet,
  type Features,
  predictLogits,
  runTraining,
  type TrainingEvent,
  type TrainingResult,
} from "@modulehub/runtime";
import { openSessionFromBytes } from "@modulehub/runtime/session";

export interface Trained {
  settings: TrainingSettings;
  program: TrainingProgram;
  result: TrainingResult;
  /** Share of right answers on other examples. */
  accuracy(features: Features, labels: Int32Array): Promise<number>;
  /** Smallest loss on the validation split, and the largest share of right answers there. */
  validation: { loss: number; accuracy: number };
  seconds: number;
  close(): Promise<void>;
}

export interface TrainRequest {
  settings: object;
  ends: HeadEnds;
  train: ExampleSet;
  validation?: ExampleSet;
  base?: TrainableBase;
  tables?: ReadonlyMap<string, Float32Array>;
  threads?: number;
}

/** One training run by the hub's own loop, in this process. */
export async function train(request: TrainRequest): Promise<Trained> {
  const settings = trainingSettingsSchema.parse(request.settings);
  const program = buildTrainingProgram(settings, request.ends, request.base);
  const options = { threads: request.threads ?? 2, spinMicroseconds: 200, arena: true };
  const steps = await openSessionFromBytes(modelBytes(program.steps), "", options);
  const evaluate = await openSessionFromBytes(modelBytes(program.evaluate), "", options);
  const { train: set, validation, tables } = request;
  const began = performance.now();
  const seen = { loss: Number.POSITIVE_INFINITY, accuracy: 0 };
  const result = await lastOf(
    runTraining({ program, settings, steps, evaluate, train: set, validation, tables }),
    (event) => {
      if (event.kind !== "validation") return;
      seen.loss = Math.min(seen.loss, event.loss);
      seen.accuracy = Math.max(seen.accuracy, event.accuracy ?? 0);
    },
  );
  const seconds = (performance.now() - began) / 1000;
  await steps.close();
  return {
    settings,
    program,
    result,
    validation: seen,
    seconds,
    async accuracy(features, labels) {
      const logits = await predictLogits(program, evaluate, result, features);
      const width = program.output.width;
      return share(labels, (at) => bestPlace(logits.subarray(at * width, (at + 1) * width)));
    },
    close: () => evaluate.close(),
  };
}

async function lastOf(
  events: AsyncGenerator<TrainingEvent, TrainingResult>,
  on: (event: TrainingEvent) => void,
): Promise<TrainingResult> {
  for (;;) {
    const { done, value } = await events.next();
    if (done) return value;
    on(value);
  }
}

const bestPlace = (row: Float32Array): number => row.indexOf(row.reduce((a, b) => Math.max(a, b)));

const share = (labels: Int32Array, answer: (at: number) => number): number =>
  labels.reduce((right, label, at) => right + (answer(at) === label ? 1 : 0), 0) / labels.length;
