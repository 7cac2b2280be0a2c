import { z } from "zod";
import type { Split } from "../data-reading.ts";
import {
  classificationEvaluationSchema,
  type Evaluation,
  labelsEvaluationSchema,
  regressionEvaluationSchema,
} from "../evaluation.ts";
import { type ProblemError, problem } from "../problem.ts";

/**
 * An evaluation without what quotes the data or tells of single examples: what is shown to whoever may read the
 * module, who need not be allowed to see the data set.
 */
export const evaluationFiguresSchema = z.discriminatedUnion("target", [
  classificationEvaluationSchema.omit({ mistakes: true, correct: true }),
  labelsEvaluationSchema.omit({ mistakes: true, correct: true }),
  regressionEvaluationSchema.omit({ mistakes: true }),
]);
export type EvaluationFigures = z.infer<typeof evaluationFiguresSchema>;

/** The figures of an evaluation. */
export const figuresOf = (evaluation: Evaluation): EvaluationFigures =>
  evaluationFiguresSchema.parse(evaluation);

/** The accuracy of an evaluation that has one: of several labels, the share of examples that have all of them right. */
export function accuracyOf(evaluation: Evaluation | EvaluationFigures | undefined): number | undefined {
  if (evaluation === undefined || evaluation.target === "number") return undefined;
  return evaluation.target === "class" ? evaluation.accuracy : evaluation.subsetAccuracy;
}

/**
 * Why a required accuracy can't be held against anything: it is that of the test split, or of the validation split where
 * there is none.
 */
export function accuracyBarProblem(
  requireAccuracy: number | undefined,
  counts: Readonly<Record<Split, number>>,
): ProblemError | undefined {
  if (requireAccuracy === undefined || counts.test > 0 || counts.validation > 0) return undefined;
  return problem(
    "data-test-missing",
    "The required accuracy is that of the test split, and the data has none. Have one drawn, or require none.",
  );
}
