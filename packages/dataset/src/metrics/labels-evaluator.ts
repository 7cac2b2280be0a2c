import type { LabelsEvaluation } from "@modulehub/core";
import type { Example } from "../example.ts";
import { EvaluatedExamples, toldOf } from "./evaluated-examples.ts";
import type { Evaluator } from "./evaluator.ts";
import { Outcomes } from "./outcomes.ts";
import { type Decisions, macroMean, microMean, precisionRecall } from "./precision-recall.ts";
import { rocAuc } from "./roc-auc.ts";
import { MISTAKES, Worst } from "./worst.ts";

/** A label is said where its score is at least this. */
const THRESHOLD = 0.5;
/** Scores that are kept for the areas under the curves. */
const MAX_SCORES = 16_000_000;

/** Evaluates any number of labels that hold independently. */
export class LabelsEvaluator implements Evaluator {
  readonly #labels: readonly string[];
  readonly #decisions: Decisions[];
  readonly #examples = new EvaluatedExamples();
  readonly #outcomes = new Outcomes();
  readonly #mistakes = new Worst<LabelsEvaluation["mistakes"][number]>(MISTAKES);
  /** By label; dropped when there are too many. */
  #scores: { scores: number[]; true: boolean[] }[] | undefined;
  #right = 0;
  #wrong = 0;

  constructor(labels: readonly string[]) {
    this.#labels = labels;
    this.#decisions = labels.map(() => ({ truePositives: 0, falsePositives: 0, falseNegatives: 0 }));
    this.#scores = labels.map(() => ({ scores: [], true: [] }));
  }

  add(example: Pick<Example, "id" | "content" | "target">, outputs: ArrayLike<number>): void {
    const { target } = example;
    const names = this.#labels;
    if (target.kind !== "labels" || outputs.length !== names.length)
      throw new TypeError(`${example.id} has no labels, or not ${names.length} scores`);
    const truth = new Set(target.labels);
    const predicted: string[] = [];
    let [wrong, off] = [0, 0];
    for (const [label, decisions] of this.#decisions.entries()) {
      const [said, holds] = [outputs[label]! >= THRESHOLD, truth.has(label)];
      if (said) predicted.push(names[label]!);
      if (said && holds) decisions.truePositives += 1;
      else if (said) decisions.falsePositives += 1;
      else if (holds) decisions.falseNegatives += 1;
      if (said !== holds) {
        wrong += 1;
        off += Math.abs(outputs[label]! - Number(holds));
      }
      this.#scores?.[label]?.scores.push(outputs[label]!);
      this.#scores?.[label]?.true.push(holds);
    }
    const named = target.labels.map((label) => names[label]!);
    this.#examples.add(example, named.join(","));
    if (this.#examples.count * names.length > MAX_SCORES) this.#scores = undefined;
    this.#outcomes.add(wrong === 0);
    this.#wrong += wrong;
    if (wrong === 0) this.#right += 1;
    else this.#mistakes.offer(off, () => ({ ...toldOf(example), truth: named, predicted, wrong }));
  }

  result(): LabelsEvaluation {
    const examples = this.#examples.result();
    const figures = this.#decisions.map(precisionRecall);
    return {
      target: "labels",
      ...examples,
      subsetAccuracy: this.#right / examples.examples,
      hammingLoss: this.#wrong / (examples.examples * this.#labels.length),
      labels: this.#labels.map((label, index) => {
        const kept = this.#scores?.[index];
        const area = kept && rocAuc(kept.scores, kept.true);
        const { truePositives, falseNegatives } = this.#decisions[index]!;
        const support = truePositives + falseNegatives;
        return { label, ...figures[index]!, support, ...(area !== undefined && { rocAuc: area }) };
      }),
      macro: macroMean(figures),
      micro: microMean(this.#decisions),
      mistakes: this.#mistakes.list(),
      correct: this.#outcomes.base64(),
    };
  }
}
