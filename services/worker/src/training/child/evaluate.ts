import { type EvaluateResult, type JobTask, problem, type Split } from "@modulehub/core";
import { evaluatorFor } from "@modulehub/dataset/metrics";
import type { JobArgument } from "../job-messages.ts";
import { chunksOf, inOrder, itemsOf, lengthOf, windowsOf } from "./embed-data.ts";
import { examplesOf, openData } from "./read-data.ts";
import type { WorkerPipe } from "./worker-pipe.ts";

/**
 * Says how good a published classifier is on a data set: on its test split where it brings one, else on all of it, for
 * nothing of it was needed to train. Throws `data-label-unknown` for a class that the module does not know.
 */
export async function evaluate(
  pipe: WorkerPipe,
  argument: JobArgument,
  task: Extract<JobTask, { kind: "evaluate" }>,
): Promise<EvaluateResult> {
  const started = performance.now();
  const data = await openData(pipe, argument);
  const { target } = task.dataSet.reading;
  if (target === "number")
    throw problem("task-mismatch", "A classifier says labels; the data set's target is a number.");
  const of = data.report.splits.given.includes("test") ? "test" : "all";
  const isEvaluated = (split: Split) => of === "all" || split === of;
  const total = of === "test" ? data.plan.counts.test : data.examples;
  const evaluator = evaluatorFor(target, data.plan.classes);
  let [done, known] = [0, false];
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
    const order = [...window.keys()].sort((a, b) => lengthOf(window[a]!) - lengthOf(window[b]!));
    const outputs = new Map<number, Float32Array>();
    const chunks = [...chunksOf(order.map((place) => ({ place, content: window[place]!.content })))];
    await inOrder(chunks, async (chunk) => {
      const said = await pipe.ask({ kind: "run", module: 0, operation: "classify" }, itemsOf(chunk));
      const [labels, scores] = [said.get("labels"), said.get("scores")];
      if (labels?.dtype !== "string" || scores?.dtype !== "float32")
        throw problem("manifest-mismatch", "The module's labels step gave what are no labels and scores.");
      const width = labels.shape[1] ?? 0;
      for (const [index, { place }] of chunk.entries()) {
        const row = labels.data.slice(index * width, (index + 1) * width);
        const by = new Map(row.map((label, rank) => [label, scores.data[index * width + rank]!]));
        if (!known) checkLabels(data.plan.classes, by);
        known = true;
        outputs.set(
          place,
          Float32Array.from(data.plan.classes, (name) => by.get(name) ?? 0),
        );
      }
      done += chunk.length;
      await progress();
    });
    // In the data's order, which is part of what an evaluation is of.
    for (const [place, example] of window.entries()) evaluator.add(example, outputs.get(place)!);
  }
  const [module] = argument.modules;
  if (module === undefined || done === 0) throw problem("data-empty", "There is nothing to evaluate.");
  return {
    kind: "evaluate",
    module: { handle: task.module.handle, digest: task.module.digest },
    data: data.report,
    of,
    evaluation: evaluator.result(),
    seconds: { total: (performance.now() - started) / 1_000 },
  };
}

async function* ofSplits<T extends { split: Split }>(
  examples: AsyncIterable<T>,
  wanted: (split: Split) => boolean,
): AsyncGenerator<T> {
  for await (const example of examples) if (wanted(example.split)) yield example;
}

function checkLabels(classes: readonly string[], said: ReadonlyMap<string, number>): void {
  const unknown = classes.filter((name) => !said.has(name));
  if (unknown.length === 0) return;
  const [some, has] = [unknown.slice(0, 5), [...said.keys()].slice(0, 5)].map((names) => names.join(", "));
  throw problem(
    "data-label-unknown",
    `The module does not say ${some}. It says ${has}${said.size > 5 ? ", …" : ""}; rename the data set's classes to these.`,
  );
}
