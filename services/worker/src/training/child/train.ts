import {
  accuracyBarProblem,
  accuracyOf,
  type JobTask,
  problem,
  SPLITS,
  type Split,
  type SplitEvaluations,
  type TrainingSettings,
  type TrainResult,
} from "@modulehub/core";
import type { JobArgument, MadeFile } from "../job-messages.ts";
import { composeModule } from "./compose-module.ts";
import { readLabels } from "./example-sets.ts";
import { openFeatureSource } from "./feature-source.ts";
import { openData } from "./read-data.ts";
import { scoreSplits } from "./score-splits.ts";
import { trainHead } from "./train-head.ts";
import type { WorkerPipe } from "./worker-pipe.ts";

type TrainTask = Extract<JobTask, { kind: "train" }>;

/**
 * Trains a head on a base, says how good it is, and, where it is to be published, makes one module of both. The test
 * split is looked at once, at the end.
 */
export async function train(
  pipe: WorkerPipe,
  argument: JobArgument,
  task: TrainTask,
): Promise<{ result: TrainResult; files: MadeFile[] }> {
  const started = performance.now();
  // Before anything is read: a base that can't be trained is said to be so at once.
  const source = await openFeatureSource(pipe, argument, task.settings);
  const data = await openData(pipe, argument);
  const refusal = accuracyBarProblem(task.requireAccuracy, data.plan.counts);
  if (refusal) throw refusal;
  const settings = settingsFor(task, data.plan.counts.train);
  const { output } = settings.head;
  const labelled = await readLabels(data, output);
  const trained = await trainHead(pipe, argument, { settings, data, labelled, source });
  await pipe.tell({ kind: "progress", progress: { stage: "evaluating" } });
  const logits = new Map<Split, Float32Array>();
  for (const split of SPLITS)
    if (labelled.places[split].length > 0) logits.set(split, await trained.logits(labelled.places[split]));
  const evaluations = await scoreSplits(data, labelled, output, logits);
  await tellOf(pipe, evaluations);
  const files =
    task.card === undefined || isTooLow(task, evaluations)
      ? []
      : await composeModule(pipe, argument, { task, settings, data, evaluations, trained });
  await source.close();
  const { steps, bestStep, ended } = trained.result;
  return {
    files,
    result: {
      kind: "train",
      base: { handle: task.base.handle, digest: task.base.digest },
      data: data.report,
      features: trained.ends.features,
      ...{ steps, bestStep, ended, evaluations },
      seconds: { ...trained.seconds, total: (performance.now() - started) / 1_000 },
    },
  };
}

/** The task's settings with the steps that they amount to. */
function settingsFor({ settings, epochs }: TrainTask, examples: number): TrainingSettings {
  if (examples === 0) throw problem("data-empty", "The train split holds no examples.");
  return epochs === undefined
    ? settings
    : { ...settings, steps: epochs * Math.ceil(examples / settings.batch) };
}

async function tellOf(pipe: WorkerPipe, evaluations: SplitEvaluations): Promise<void> {
  for (const split of SPLITS) {
    const evaluation = evaluations[split];
    if (evaluation === undefined) continue;
    const accuracy = accuracyOf(evaluation);
    const said =
      evaluation.target === "number"
        ? `root mean squared error ${evaluation.rootMeanSquaredError.toPrecision(4)}`
        : `accuracy ${accuracy?.toFixed(4)}`;
    await pipe.tell({
      kind: "log",
      level: "info",
      text: `${split}: ${said} on ${evaluation.examples} examples.`,
    });
  }
}

/** Whether nothing is to be published: the API says so when it reads the figures. */
function isTooLow({ requireAccuracy }: TrainTask, evaluations: SplitEvaluations): boolean {
  if (requireAccuracy === undefined) return false;
  return (accuracyOf(evaluations.test ?? evaluations.validation) ?? 0) < requireAccuracy;
}
