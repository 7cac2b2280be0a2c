import type { Evaluation, EvaluationComparison } from "@modulehub/core";
import { mcnemar } from "./mcnemar.ts";
import { discordance } from "./outcomes.ts";

/** An evaluation as far as it is compared: what quotes the data may be missing, and then there is no test. */
export type Comparable = Evaluation extends infer E
  ? E extends Evaluation
    ? Omit<E, "mistakes" | "correct"> & { correct?: string }
    : never
  : never;

/**
 * How the second of two evaluations differs from the first, metric by metric; whether its outcomes are others than
 * chance allows is said where both are of the same examples. Throws a TypeError for evaluations of different targets.
 */
export function compareEvaluations(first: Comparable, second: Comparable): EvaluationComparison {
  if (first.target !== second.target)
    throw new TypeError("evaluations of different targets can't be compared");
  const sameExamples = first.examplesDigest === second.examplesDigest;
  const before = metricsOf(first);
  const differences: EvaluationComparison["differences"] = {};
  for (const [name, value] of Object.entries(metricsOf(second))) {
    const earlier = before[name];
    if (value !== undefined && earlier !== undefined)
      differences[name] = { first: earlier, second: value, difference: value - earlier };
  }
  const outcomes =
    sameExamples && first.correct !== undefined && second.correct !== undefined
      ? discordance(first.correct, second.correct)
      : undefined;
  return {
    target: first.target,
    sameExamples,
    differences,
    ...(outcomes && { mcnemar: { ...outcomes, pValue: mcnemar(outcomes.onlyFirst, outcomes.onlySecond) } }),
  };
}

function metricsOf(evaluation: Comparable): Record<string, number | undefined> {
  switch (evaluation.target) {
    case "class": {
      const { accuracy, logLoss, macro, rocAuc } = evaluation;
      return {
        accuracy,
        macroPrecision: macro.precision,
        macroRecall: macro.recall,
        macroF1: macro.f1,
        rocAuc,
        logLoss,
      };
    }
    case "labels": {
      const { subsetAccuracy, hammingLoss, macro, micro } = evaluation;
      return { subsetAccuracy, macroF1: macro.f1, microF1: micro.f1, hammingLoss };
    }
    case "number": {
      const { meanAbsoluteError, rootMeanSquaredError, r2 } = evaluation;
      return { meanAbsoluteError, rootMeanSquaredError, r2 };
    }
  }
}
