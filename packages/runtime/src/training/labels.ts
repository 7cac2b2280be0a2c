import { problem } from "@modulehub/core/problem";
import type { TensorOf } from "@modulehub/core/tensor";
import type { ExampleSet, Labels } from "./contract.ts";

/** The labels of a batch, as the graphs take them. */
export function labelFeed(labels: Labels, examples: Uint32Array): TensorOf<"int64"> | TensorOf<"float32"> {
  if (labels.kind === "softmax") {
    const data = new BigInt64Array(examples.length);
    for (const [at, example] of examples.entries()) data[at] = BigInt(labels.classes[example]!);
    return { dtype: "int64", shape: [examples.length], data };
  }
  const { values, width } = labels;
  const data = new Float32Array(examples.length * width);
  for (const [at, example] of examples.entries())
    data.set(values.subarray(example * width, (example + 1) * width), at * width);
  return { dtype: "float32", shape: [examples.length, width], data };
}

/** The weight of each example of a batch. */
export function exampleWeightFeed({ weights }: ExampleSet, examples: Uint32Array): TensorOf<"float32"> {
  const data = new Float32Array(examples.length).fill(1);
  if (weights) for (const [at, example] of examples.entries()) data[at] = weights[example]!;
  return { dtype: "float32", shape: [examples.length], data };
}

/**
 * A weight a class. `balanced` is scikit-learn's: examples ÷ (classes × examples of the class). Throws
 * `invalid-request` where it isn't possible.
 */
export function classWeightFeed(
  wanted: "balanced" | readonly number[] | undefined,
  labels: Labels,
  width: number,
): TensorOf<"float32"> {
  const data = new Float32Array(width).fill(1);
  if (wanted === "balanced") data.set(balanced(labels, width));
  else if (wanted) {
    if (wanted.length !== width)
      throw problem("invalid-request", `There are ${wanted.length} class weights for ${width} classes.`);
    data.set(wanted);
  }
  return { dtype: "float32", shape: [width], data };
}

function balanced(labels: Labels, width: number): number[] {
  if (labels.kind !== "softmax")
    throw problem("invalid-request", "Balanced class weights are for one label of several (softmax).");
  const counts = new Array<number>(width).fill(0);
  for (const label of labels.classes) counts[label]! += 1;
  if (counts.includes(0)) throw problem("invalid-request", "A class without examples can't be balanced.");
  return counts.map((count) => labels.classes.length / (width * count));
}

/** How many examples have the label that the logits say; for independent labels, the share of labels. Null for numbers. */
export function rightAnswers(logits: Float32Array, labels: Labels, examples: Uint32Array): number | null {
  if (labels.kind === "linear") return null;
  const width = logits.length / examples.length;
  let right = 0;
  for (const [at, example] of examples.entries()) {
    const row = logits.subarray(at * width, (at + 1) * width);
    if (labels.kind === "softmax") {
      if (bestOf(row) === labels.classes[example]) right += 1;
      continue;
    }
    for (let one = 0; one < width; one++)
      if (row[one]! > 0 === labels.values[example * width + one]! > 0.5) right += 1 / width;
  }
  return right;
}

/** The place of the largest number, the first of equal ones. */
export function bestOf(row: Float32Array): number {
  let best = 0;
  for (let at = 1; at < row.length; at++) if (row[at]! > row[best]!) best = at;
  return best;
}
