import type { ClassificationEvaluation } from "@modulehub/core";
import type { Example } from "../example.ts";
import { EvaluatedExamples, toldOf } from "./evaluated-examples.ts";
import type { Evaluator } from "./evaluator.ts";
import { Outcomes } from "./outcomes.ts";
import { type Decisions, macroMean, microMean, precisionRecall } from "./precision-recall.ts";
import { rocAuc } from "./roc-auc.ts";
import { MISTAKES, Worst } from "./worst.ts";

/** With more classes than this their confusion matrix is for no one to read. */
const MATRIX_CLASSES = 100;
/** Confusions that are told. */
const CONFUSIONS = 20;
/** Scores are held above this before their logarithm is taken. */
const LEAST_SCORE = 1e-15;

/** Evaluates one label of several classes; the class with the highest score counts as said, the first of equal ones. */
export class ClassEvaluator implements Evaluator {
  readonly #classes: readonly string[];
  /** [truth, predicted] */
  readonly #counts: Uint32Array;
  readonly #examples = new EvaluatedExamples();
  readonly #outcomes = new Outcomes();
  readonly #mistakes = new Worst<ClassificationEvaluation["mistakes"][number]>(MISTAKES);
  /** Of two classes: the second's score, and whether it is the true one. */
  readonly #second: { scores: number[]; true: boolean[] } = { scores: [], true: [] };
  #loss = 0;
  #right = 0;

  constructor(classes: readonly string[]) {
    this.#classes = classes;
    this.#counts = new Uint32Array(classes.length ** 2);
  }

  add(example: Pick<Example, "id" | "content" | "target">, outputs: ArrayLike<number>): void {
    const { target } = example;
    const classes = this.#classes;
    if (target.kind !== "class" || outputs.length !== classes.length)
      throw new TypeError(`${example.id} has no class, or not ${classes.length} scores`);
    const truth = target.class;
    let predicted = 0;
    for (let index = 1; index < outputs.length; index++)
      if (outputs[index]! > outputs[predicted]!) predicted = index;
    const score = outputs[predicted]!;
    this.#examples.add(example, classes[truth]!);
    this.#outcomes.add(predicted === truth);
    this.#counts[truth * classes.length + predicted]! += 1;
    this.#loss -= Math.log(Math.max(LEAST_SCORE, outputs[truth]!));
    if (classes.length === 2) {
      this.#second.scores.push(outputs[1]!);
      this.#second.true.push(truth === 1);
    }
    if (predicted === truth) this.#right += 1;
    else
      this.#mistakes.offer(score, () => ({
        ...toldOf(example),
        truth: classes[truth]!,
        predicted: classes[predicted]!,
        score,
      }));
  }

  result(): ClassificationEvaluation {
    const examples = this.#examples.result();
    const classes = this.#classes;
    const decisions = classes.map((_, index) => this.#decisions(index));
    const figures = decisions.map(precisionRecall);
    const occurring = decisions.map(
      ({ truePositives, falsePositives, falseNegatives }) =>
        truePositives + falsePositives + falseNegatives > 0,
    );
    const told = (index: number) => occurring[index] || classes.length <= MATRIX_CLASSES;
    const { scores, true: positive } = this.#second;
    const area = rocAuc(scores, positive);
    return {
      target: "class",
      ...examples,
      accuracy: this.#right / examples.examples,
      logLoss: Math.max(0, this.#loss / examples.examples),
      classes: classes
        .map((label, index) => ({
          label,
          ...figures[index]!,
          support: decisions[index]!.truePositives + decisions[index]!.falseNegatives,
        }))
        .filter((_, index) => told(index)),
      macro: macroMean(figures.filter((_, index) => occurring[index])),
      micro: microMean(decisions),
      ...(classes.length <= MATRIX_CLASSES && {
        confusionMatrix: { labels: [...classes], counts: classes.map((_, index) => [...this.#row(index)]) },
      }),
      confusions: this.#confusions(),
      ...(area !== undefined && { rocAuc: area }),
      mistakes: this.#mistakes.list(),
      correct: this.#outcomes.base64(),
    };
  }

  #row(truth: number): Uint32Array {
    const { length } = this.#classes;
    return this.#counts.subarray(truth * length, (truth + 1) * length);
  }

  #decisions(index: number): Decisions {
    const { length } = this.#classes;
    let [truth, predicted] = [0, 0];
    for (let other = 0; other < length; other++) {
      truth += this.#counts[index * length + other]!;
      predicted += this.#counts[other * length + index]!;
    }
    const truePositives = this.#counts[index * length + index]!;
    return {
      truePositives,
      falsePositives: predicted - truePositives,
      falseNegatives: truth - truePositives,
    };
  }

  #confusions(): ClassificationEvaluation["confusions"] {
    const most = new Worst<ClassificationEvaluation["confusions"][number]>(CONFUSIONS);
    for (const [truth, label] of this.#classes.entries())
      for (const [predicted, count] of this.#row(truth).entries())
        if (predicted !== truth && count > 0)
          most.offer(count, () => ({ truth: label, predicted: this.#classes[predicted]!, count }));
    return most.list();
  }
}
