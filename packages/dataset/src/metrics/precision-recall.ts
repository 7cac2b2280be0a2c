import type { PrecisionRecall } from "@modulehub/core";

/** Decisions about one class: rightly for it, wrongly for it, wrongly against it. */
export interface Decisions {
  truePositives: number;
  falsePositives: number;
  falseNegatives: number;
}

/** 0 where there is nothing to divide by, as scikit-learn has it with `zero_division=0`. */
const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/** Precision = TP ÷ (TP + FP), recall = TP ÷ (TP + FN), F1 = 2 TP ÷ (2 TP + FP + FN). */
export function precisionRecall({
  truePositives: tp,
  falsePositives: fp,
  falseNegatives: fn,
}: Decisions): PrecisionRecall {
  return { precision: ratio(tp, tp + fp), recall: ratio(tp, tp + fn), f1: ratio(2 * tp, 2 * tp + fp + fn) };
}

/** The plain mean over classes. */
export function macroMean(classes: readonly PrecisionRecall[]): PrecisionRecall {
  const mean = (of: keyof PrecisionRecall) =>
    classes.reduce((sum, each) => sum + each[of], 0) / classes.length;
  return { precision: mean("precision"), recall: mean("recall"), f1: mean("f1") };
}

/** Over all decisions together. */
export function microMean(classes: readonly Decisions[]): PrecisionRecall {
  const sum = (of: keyof Decisions) => classes.reduce((total, each) => total + each[of], 0);
  return precisionRecall({
    truePositives: sum("truePositives"),
    falsePositives: sum("falsePositives"),
    falseNegatives: sum("falseNegatives"),
  });
}
