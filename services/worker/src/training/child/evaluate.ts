import {
  assetPaths,
  classificationOutput,
  type EvaluateResult,
  type JobTask,
  problem,
  type Split,
} from "@modulehub/core";
import type { Example } from "@modulehub/dataset";
import { evaluatorFor } from "@modulehub/dataset/metrics";
import { loadLabels, readManifest } from "@modulehub/runtime";
import type { JobArgument } from "../job-messages.ts";
import { chunksOf, inOrder, itemsOf, lengthOf, windowsOf } from "./embed-data.ts";
import { examplesOf, openData } from "./read-data.ts";
import type { WorkerPipe } from "./worker-pipe.ts";

/**
 * Says how good a published classifier is on a data set: on its test split where it brings one or its reading draws
 * one, else on all of it, for nothing of it was needed to train. Throws `data-label-unknown` for a class that the module does not know.
 */
export async function evaluate(
  pipe: WorkerPipe,
  argument: JobArgument,
  task: Extract<JobTask, { kind: "evaluate" }>,
): Promise<EvaluateResult> {
  const started = performance.now();
  const [module] = argument.modules;
  if (module === undefined) throw new TypeError("The job has no module to evaluate.");
  const said = await classesOf(module.folder);
  const data = await openData(pipe, argument);
  const { target } = task.dataSet.reading;
  if (target === "number")
    throw problem("task-mismatch", "A classifier says labels; the data set's target is a number.");
  const of = data.plan.counts.test > 0 ? "test" : "all";
  const isEvaluated = (split: Split) => of === "all" || split === of;
  const total = of === "test" ? data.plan.counts.test : data.examples;
  let done = 0;
  checkLabels(data.plan.classes, said);
  // And those that only the module has: it is wrong where it says one of these.
  const classes = [...new Set([...data.plan.classes, ...said])];
  const evaluator = evaluatorFor(target, classes);
  const progress = () =>
    pipe.tell({
      kind: "progress",
      progress: {
        stage: "evaluating",
        done,
        total,
        examplesPerSecond: (done / (performance.now() - started)) * 1_000,
      },
    });
  await progress();
  for await (const window of windowsOf(ofSplits(examplesOf(data), isEvaluated))) {
    const outputs = await scoresOf(pipe, window, classes, (count) => {
      done += count;
      return progress();
    });
    // In the data's order, which is part of what an evaluation is of.
    for (const [place, example] of window.entries()) evaluator.add(example, outputs.get(place)!);
  }
  if (done === 0) throw problem("data-empty", "There is nothing to evaluate.");
  return {
    kind: "evaluate",
    module: { handle: task.module.handle, digest: task.module.digest },
    data: data.report,
    of,
    evaluation: evaluator.result(),
    seconds: { total: (performance.now() - started) / 1_000 },
  };
}

/**
 * The module's scores of each example of a window, in the order of the classes; 0 for a class that it doesn't say. Like
 * ones are asked for together.
 */
async function scoresOf(
  pipe: WorkerPipe,
  window: readonly Example[],
  classes: readonly string[],
  onDone: (examples: number) => Promise<void>,
): Promise<Map<number, Float32Array>> {
  const order = [...window.keys()].sort((a, b) => lengthOf(window[a]!) - lengthOf(window[b]!));
  const chunks = [...chunksOf(order.map((place) => ({ place, content: window[place]!.content })))];
  const outputs = new Map<number, Float32Array>();
  await inOrder(chunks, async (chunk) => {
    const answer = await pipe.ask({ kind: "run", module: 0, operation: "classify" }, itemsOf(chunk));
    const [labels, scores] = [answer.get("labels"), answer.get("scores")];
    if (labels?.dtype !== "string" || scores?.dtype !== "float32")
      throw problem("manifest-mismatch", "The module's labels step gave what are no labels and scores.");
    const width = labels.shape[1] ?? 0;
    for (const [index, { place }] of chunk.entries()) {
      const row = labels.data.slice(index * width, (index + 1) * width);
      const by = new Map(row.map((label, rank) => [label, scores.data[index * width + rank]!]));
      outputs.set(
        place,
        Float32Array.from(classes, (name) => by.get(name) ?? 0),
      );
    }
    await onDone(chunk.length);
  });
  return outputs;
}

async function* ofSplits<T extends { split: Split }>(
  examples: AsyncIterable<T>,
  wanted: (split: Split) => boolean,
): AsyncGenerator<T> {
  for await (const example of examples) if (wanted(example.split)) yield example;
}

/** Throws `data-label-unknown` for classes of the data that the module never says. */
function checkLabels(ofData: readonly string[], said: readonly string[]): void {
  const unknown = ofData.filter((name) => !said.includes(name));
  if (unknown.length === 0) return;
  throw problem(
    "data-label-unknown",
    `The module never says ${unknown.slice(0, 5).join(", ")}. It says ${said.slice(0, 5).join(", ")}${said.length > 5 ? ", …" : ""}; rename the data set's classes to these.`,
  );
}

/** The labels that a classifier says, of its labels step's file. */
async function classesOf(folder: string): Promise<string[]> {
  const manifest = await readManifest(folder);
  const { signature } = classificationOutput(manifest);
  const [path] = assetPaths({
    ...manifest.signatures[signature]!,
    steps: (manifest.signatures[signature]!.steps ?? []).filter((step) => "labels" in step),
  });
  if (path === undefined) throw problem("task-mismatch", "The module has no labels step.");
  return loadLabels(folder, path);
}
