import type { TrainingSettings } from "@modulehub/core";
import type { Example } from "@modulehub/dataset";
import { buildHead, buildTrainingProgram, type HeadEnds, type ModelProto, modelBytes } from "@modulehub/onnx";
import {
  type Features,
  featureScaling,
  predictLogits,
  runTraining,
  type Session,
  type TrainingResult,
} from "@modulehub/runtime";
import { openSessionFromBytes } from "@modulehub/runtime/session";
import type { JobArgument } from "../job-messages.ts";
import { type Labelled, subset } from "./example-sets.ts";
import { type FeatureSource, joinRows } from "./feature-source.ts";
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
  /** Of examples that are given, by the base and then the head, each alone. */
  logitsOf(examples: readonly Example[]): Promise<Float32Array>;
  source: FeatureSource;
  seconds: { embedding: number; training: number };
}

interface Plan {
  settings: TrainingSettings;
  data: Data;
  labelled: Labelled;
  source: FeatureSource;
}

/** Trains, from the job's checkpoint on where there is one. Throws as `runTraining` does. */
export async function trainHead(pipe: WorkerPipe, argument: JobArgument, plan: Plan): Promise<Trained> {
  const { settings, data, labelled, source } = plan;
  const { features, width, seconds } = await source.of(data);
  const ends: HeadEnds = {
    features: width,
    outputs: labelled.width,
    ...(settings.head.standardize && { scaling: featureScaling(features, width, labelled.places.train) }),
  };
  const program = buildTrainingProgram(settings, ends, source.cut);
  const options = { threads: argument.threads, arena: true };
  const open = (model: ModelProto) => openSessionFromBytes(modelBytes(model), argument.folder, options);
  const [steps, evaluate] = [await open(program.steps), await open(program.evaluate)];
  const checkpoints = new JobCheckpoints(pipe, argument);
  const started = performance.now();
  const run = runTraining({
    ...{ program, settings, steps, evaluate, checkpoint: checkpoints },
    ...(source.tables && { tables: source.tables }),
    identity: identityOf(argument),
    train: subset(features, labelled.labels, labelled.places.train),
    ...(labelled.places.validation.length > 0 && {
      validation: subset(features, labelled.labels, labelled.places.validation),
    }),
  });
  const result = await follow(pipe, run, checkpoints, settings.steps);
  await checkpoints.flush();
  await steps.close();
  return {
    settings,
    ends,
    result,
    logits: (places) =>
      predictLogits(program, evaluate, result, subset(features, labelled.labels, places).features),
    async logitsOf(examples) {
      const head = await open(buildHead(settings.head, ends, result.parameters));
      return headAlone(head, await source.alone(examples, result.tables));
    },
    source,
    seconds: { embedding: seconds, training: (performance.now() - started) / 1_000 },
  };
}

/** Logits of a head as it will be published, row by row: in batches, sums are made in another order. */
async function headAlone(head: Session, features: Features): Promise<Float32Array> {
  try {
    const rows: Float32Array[] = [];
    for (let example = 0; example < features.examples; example++) {
      const logits = (await head.run(new Map(features.feeds(Uint32Array.of(example))), ["logits"])).get(
        "logits",
      );
      if (logits?.dtype !== "float32") throw new TypeError("The head gave no logits.");
      rows.push(logits.data);
    }
    return joinRows(rows);
  } finally {
    await head.close();
  }
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
