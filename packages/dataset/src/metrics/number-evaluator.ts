import type { RegressionEvaluation } from "@modulehub/core";
import type { Example } from "../example.ts";
import { EvaluatedExamples, toldOf } from "./evaluated-examples.ts";
import type { Evaluator } from "./evaluator.ts";
import { MISTAKES, Worst } from "./worst.ts";

/** Evaluates numbers. */
export class NumberEvaluator implements Evaluator {
  readonly #examples = new EvaluatedExamples();
  readonly #mistakes = new Worst<RegressionEvaluation["mistakes"][number]>(MISTAKES);
  readonly #sums = { absolute: 0, squared: 0, mean: 0, squares: 0 };

  add(example: Pick<Example, "id" | "content" | "target">, outputs: ArrayLike<number>): void {
    const { target } = example;
    if (target.kind !== "number" || outputs.length !== 1)
      throw new TypeError(`${example.id} has no number, or not one output`);
    const [truth, predicted] = [target.value, outputs[0]!];
    this.#examples.add(example, `${truth}`);
    const sums = this.#sums;
    const off = Math.abs(predicted - truth);
    sums.absolute += off;
    sums.squared += off ** 2;
    // Welford's update keeps the sum of squares exact where the mean is large.
    const before = truth - sums.mean;
    sums.mean += before / this.#examples.count;
    sums.squares += before * (truth - sums.mean);
    this.#mistakes.offer(off, () => ({ ...toldOf(example), truth, predicted }));
  }

  result(): RegressionEvaluation {
    const examples = this.#examples.result();
    const { absolute, squared, squares } = this.#sums;
    return {
      target: "number",
      ...examples,
      meanAbsoluteError: absolute / examples.examples,
      rootMeanSquaredError: Math.sqrt(squared / examples.examples),
      ...(squares > 0 && { r2: 1 - squared / squares }),
      mistakes: this.#mistakes.list(),
    };
  }
}
