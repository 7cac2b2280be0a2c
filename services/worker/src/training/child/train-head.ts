import type { TrainingSettings } from "@modulehub/core";
import { buildTrainingProgram, encodeModel, type HeadEnds } from "@modulehub/onnx";
import {
  denseFeatures,
  featureScaling,
  openFeatures,
  predictLogits,
  runTraining,
  type TrainingResult,
} from "@modulehub/runtime";
import { openSessionFromBytes } from "@modulehub/runtime/session";
import type { JobArgument } from "../job-messages.ts";
import { embedData } from "./embed-data.ts";
import { type Labelled, subset } from "./example-sets.ts";
import { JobCheckpoints } from "./job-checkpoints.ts";
import type { Data } from "./read-data.ts";
import type { WorkerPipe } from "./worker-pipe.ts";

/** A head that was trained. */
export interface Trained {
  settings: TrainingSettings;
  ends: HeadEnds;
  result: TrainingResult;
  /** Row-major [places, outputs], of examples at some places. */
  logits(places: Uint32Array): Promise<Float32Array>;
  /** Of one embedding that is given. */
  logitsOfRow(row: Float32Array): Promise<Float32Array>;
  seconds: { embedding: number; training: number };
}

interface Plan {
  settings: TrainingSettings;
  data: Data;
  labelled: Labelled;
}

/** Trains, from the job's checkpoint on where there is one. Throws as `runTraining` does. */
export async function trainHead(pipe: WorkerPipe, argument: JobArgument, plan: Plan): Promise<Trained> {
  const { settings, data, labelled } = plan;
  const embedded = await embedData(pipe, argument, 0, data);
  const width = embedded.features;
  const features = openFeatures(embedded.path, width);
  const ends: HeadEnds = {
    features: width,
    outputs: labelled.width,
    ...(settings.head.standardize && { scaling: featureScaling(features, width, labelled.places.train) }),
  };
  const program = buildTrainingProgram(settings, ends);
  const options = { threads: argument.threads, arena: true };
  const open = (model: typeof program.step) =>
    openSessionFromBytes(Buffer.concat([...encodeModel(model)]), argument.folder, options);
  const [step, evaluate] = [await open(program.step), await open(program.evaluate)];
  const checkpoints = new JobCheckpoints(pipe, argument);
  const started = performance.now();
  const run = runTraining({
    ...{ program, settings, step, evaluate, checkpoint: checkpoints },
    identity: identityOf(argument),
    train: subset(features, labelled.labels, labelled.places.train),
    ...(labelled.places.validation.length > 0 && {
      validation: subset(features, labelled.labels, labelled.places.validation),
    }),
  });
  const result = await follow(pipe, run, checkpoints, settings.steps);
  await checkpoints.flush();
  await step.close();
  return {
    settings,
    ends,
    result,
    logits: (places) =>
      predictLogits(program, evaluate, result, subset(features, labelled.labels, places).features),
    logitsOfRow: (row) => predictLogits(program, evaluate, result, denseFeatures(row, width)),
    seconds: { embedding: embedded.seconds, training: (performance.now() - started) / 1_000 },
  };
}

/** Tells how the training goes on, until its result. */
async function follow(
  pipe: WorkerPipe,
  run: ReturnType<typeof runTraining>,
  checkpoints: JobCheckpoints,
  total: number,
): Promise<TrainingResult> {
  let seen: { validationLoss?: number; validationAccuracy?: number } = {};
  for (;;) {
    const next = await run.next();
    if (next.done) return next.value;
    const event = next.value;
    if (event.kind === "checkpoint") checkpoints.reached(event.step);
    else if (event.kind === "resumed")
      await pipe.tell({ kind: "log", level: "info", text: `Goes on from step ${event.step}.` });
    else if (event.kind === "validation") {
      const { loss, accuracy } = event;
      seen = { validationLoss: loss, ...(accuracy !== undefined && { validationAccuracy: accuracy }) };
    } else {
      const { step: done, loss, learningRate, examplesPerSecond } = event;
      const progress = { done, total, loss, learningRate, examplesPerSecond, ...seen };
      await pipe.tell({ kind: "progress", progress: { stage: "training", ...progress } });
    }
    // Answers of the worker are read between steps; a step itself blocks.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A checkpoint of other data, or of another base, is of no use. */
const identityOf = ({ task, modules }: JobArgument): string =>
  JSON.stringify([modules.map(({ digest }) => digest), task.dataSet.digest, task.dataSet.reading]);
