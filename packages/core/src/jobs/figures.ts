import { z } from "zod";
import {
  classificationEvaluationSchema,
  type Evaluation,
  labelsEvaluationSchema,
  regressionEvaluationSchema,
} from "../evaluation.ts";

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
