import type { HeadSettings, Split, SplitEvaluations } from "@modulehub/core";
import { evaluatorFor } from "@modulehub/dataset/metrics";
import type { Labelled } from "./example-sets.ts";
import { type Data, examplesOf, splitsOf } from "./read-data.ts";

/** Logits as what the module will answer: probabilities over the classes, one a label, or the numbers themselves. */
export function scoresOf(output: HeadSettings["output"], logits: Float32Array): Float32Array {
  if (output === "linear") return logits;
  if (output === "sigmoid") return logits.map((value) => 1 / (1 + Math.exp(-value)));
  const highest = logits.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  const powers = logits.map((value) => Math.exp(value - highest));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}

/**
 * How good trained weights are on every split that has examples. The data is read once more, for what is told of
 * mistakes.
 *
 * @param logits row-major, of each split's examples in the data's order
 */
export async function scoreSplits(
  data: Data,
  { width }: Pick<Labelled, "width">,
  output: HeadSettings["output"],
  logits: ReadonlyMap<Split, Float32Array>,
): Promise<SplitEvaluations> {
  const { target } = data.plan.reading;
  const evaluators = new Map(
    splitsOf(data).map((split) => [split, { next: 0, by: evaluatorFor(target, data.plan.classes) }]),
  );
  for await (const example of examplesOf(data)) {
    const evaluator = evaluators.get(example.split);
    const all = logits.get(example.split);
    if (evaluator === undefined || all === undefined) throw new Error(`${example.split} was not scored.`);
    const row = all.subarray(evaluator.next * width, (evaluator.next + 1) * width);
    evaluator.by.add(example, scoresOf(output, row));
    evaluator.next += 1;
  }
  return Object.fromEntries([...evaluators].map(([split, { by }]) => [split, by.result()]));
}
