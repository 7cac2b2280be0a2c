import type { DataReading, Evaluation } from "@modulehub/core";
import type { Example } from "../example.ts";
import { ClassEvaluator } from "./class-evaluator.ts";
import { LabelsEvaluator } from "./labels-evaluator.ts";
import { NumberEvaluator } from "./number-evaluator.ts";

/** Takes examples with what a module said of them, one at a time, and says how good it was. */
export interface Evaluator {
  /**
   * `outputs` are what the module gives for the example: a probability a class (softmax), one a label (sigmoid), or the
   * one number. Throws a TypeError where the example or the outputs are of another form: a bug.
   */
  add(example: Pick<Example, "id" | "content" | "target">, outputs: ArrayLike<number>): void;
  /** How good it was so far. Throws a RangeError without examples. */
  result(): Evaluation;
}

/** An evaluator for a target; `classes` are those of the plan. It remembers at most some 20 bytes of each example. */
export function evaluatorFor(target: DataReading["target"], classes: readonly string[]): Evaluator {
  if (target === "class") return new ClassEvaluator(classes);
  return target === "labels" ? new LabelsEvaluator(classes) : new NumberEvaluator();
}
