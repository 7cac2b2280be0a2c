import type { HeadSettings } from "@modulehub/core";
import type { GraphBuilder } from "../graph-builder.ts";
import { reduce, unsqueeze } from "../portable.ts";
import type { Value } from "../value.ts";

/** What a loss needs beside the logits; see `TrainingProgram`. */
export interface LossInputs {
  labels: Value;
  exampleWeights: Value;
  classWeights: Value;
}

/** A batch whose examples all weigh nothing has the loss 0, not none. */
const LEAST_WEIGHT = 1e-12;

/** The inputs of a loss. */
export function lossInputs(g: GraphBuilder, output: HeadSettings["output"], width: number): LossInputs {
  return {
    labels:
      output === "softmax"
        ? g.input("labels", "int64", ["batch"])
        : g.input("labels", "float32", ["batch", width]),
    exampleWeights: g.input("exampleWeights", "float32", ["batch"]),
    classWeights: g.input("classWeights", "float32", [width]),
  };
}

/**
 * The loss of a batch and the weight it was divided by, both []. As PyTorch's CrossEntropyLoss(weight),
 * BCEWithLogitsLoss(weight) and MSELoss have it: `mean` divides the weighted sum by the sum of the weights (by that and
 * the width where each output has its own loss).
 */
export function appendLoss(
  g: GraphBuilder,
  output: HeadSettings["output"],
  reduction: "mean" | "sum",
  logits: Value,
  inputs: LossInputs,
): { loss: Value; weight: Value } {
  const { losses, weights, each } = lossesOf(g, output, logits, inputs);
  const total = reduce(g, "ReduceSum", g.mul(losses, weights), [0], false);
  const sum = reduce(g, "ReduceSum", weights, [0], false);
  const weight =
    reduction === "sum" ? g.scalar(1) : g.max([g.mul(sum, g.scalar(each)), g.scalar(LEAST_WEIGHT)]);
  return { loss: g.div(total, weight), weight };
}

/** The loss of each example, what it weighs, and how many losses it is the sum of. */
function lossesOf(
  g: GraphBuilder,
  output: HeadSettings["output"],
  logits: Value,
  { labels, exampleWeights, classWeights }: LossInputs,
): { losses: Value; weights: Value; each: number } {
  const width = logits.shape[1];
  const each = typeof width === "number" ? width : 1;
  const overOutputs = (value: Value) => reduce(g, "ReduceSum", value, [1], false);
  if (output === "softmax") {
    const classes = g.ints(Array.from({ length: each }, (_, index) => index));
    const isLabel = g.cast(g.equal(unsqueeze(g, labels, [1]), classes), { to: 1 });
    const losses = g.neg(overOutputs(g.mul(isLabel, g.logSoftmax(logits, { axis: 1 }))));
    return { losses, weights: g.mul(exampleWeights, overOutputs(g.mul(isLabel, classWeights))), each: 1 };
  }
  const error = g.sub(logits, labels);
  // ln(1 + eᶻ) − z·t is −t·ln σ(z) − (1 − t)·ln(1 − σ(z)) without what overflows.
  const parts = output === "linear" ? g.mul(error, error) : g.sub(g.softplus(logits), g.mul(logits, labels));
  return { losses: overOutputs(g.mul(parts, classWeights)), weights: exampleWeights, each };
}
