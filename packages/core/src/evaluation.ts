import { z } from "zod";
import { digestSchema } from "./digest.ts";

/** How well a module did on a split of a data set. Made by `packages/dataset`, stored with the version. */

const share = z.number().min(0).max(1);
const count = z.int().min(0);

/** Precision, recall and their harmonic mean. 0 where they would divide by 0, as scikit-learn has it. */
export const precisionRecallSchema = z.object({ precision: share, recall: share, f1: share });
export type PrecisionRecall = z.infer<typeof precisionRecallSchema>;

const perClass = precisionRecallSchema.extend({ label: z.string(), support: count });

const mistake = {
  id: z.string(),
  /** The beginning of it; absent for images. */
  text: z.string().optional(),
};

const shared = {
  examples: count,
  /**
   * Which examples were evaluated: sha256 over `id` NUL, sha256 of the content in hex, NUL `label` LF, in their order;
   * several labels are joined by commas. Two evaluations with the same one are of the same data.
   */
  examplesDigest: digestSchema,
};

/** Over one label of several classes. */
export const classificationEvaluationSchema = z.object({
  target: z.literal("class"),
  ...shared,
  accuracy: share,
  /** Mean of −ln(score of the true class), scores held above 1e-15. */
  logLoss: z.number().min(0),
  /** With more than 100 classes only those that are true or were said of an example. */
  classes: z.array(perClass),
  /** The plain mean over classes that are true or were said of an example, as scikit-learn has it. */
  macro: precisionRecallSchema,
  /** Over all decisions together. */
  micro: precisionRecallSchema,
  /** `counts[truth][predicted]`, in the order of `labels`; absent with more than 100 classes. */
  confusionMatrix: z.object({ labels: z.array(z.string()), counts: z.array(z.array(count)) }).optional(),
  /** The most frequent confusions, most first. */
  confusions: z.array(z.object({ truth: z.string(), predicted: z.string(), count })),
  /** Area under the ROC curve, of two classes that both occur; the second is the positive one. */
  rocAuc: share.optional(),
  /** The surest wrong decisions, surest first. */
  mistakes: z.array(z.object({ ...mistake, truth: z.string(), predicted: z.string(), score: z.number() })),
  /** A bit an example in their order, the first the highest of its byte: 1 where it was right. Base64. */
  correct: z.string(),
});

/** Over any number of labels that hold independently, each where its score is at least 0.5. */
export const labelsEvaluationSchema = z.object({
  target: z.literal("labels"),
  ...shared,
  /** Examples whose labels are all right. */
  subsetAccuracy: share,
  /** Wrong decisions about a label, of all. */
  hammingLoss: share,
  /** With its area under the ROC curve, where both kinds occur and 16 million scores are not exceeded. */
  labels: z.array(perClass.extend({ rocAuc: share.optional() })),
  macro: precisionRecallSchema,
  micro: precisionRecallSchema,
  /** Those furthest off, over their wrong labels together, first. */
  mistakes: z.array(
    z.object({ ...mistake, truth: z.array(z.string()), predicted: z.array(z.string()), wrong: count }),
  ),
  correct: z.string(),
});

/** Over numbers. */
export const regressionEvaluationSchema = z.object({
  target: z.literal("number"),
  ...shared,
  /** Mean of |prediction − truth|. */
  meanAbsoluteError: z.number().min(0),
  /** √(mean of (prediction − truth)²). */
  rootMeanSquaredError: z.number().min(0),
  /** 1 − Σ(prediction − truth)² ÷ Σ(truth − mean)²; absent where every truth is the same. */
  r2: z.number().max(1).optional(),
  /** Those furthest off, first. */
  mistakes: z.array(z.object({ ...mistake, truth: z.number(), predicted: z.number() })),
});

export const evaluationSchema = z.discriminatedUnion("target", [
  classificationEvaluationSchema,
  labelsEvaluationSchema,
  regressionEvaluationSchema,
]);

export type ClassificationEvaluation = z.infer<typeof classificationEvaluationSchema>;
export type LabelsEvaluation = z.infer<typeof labelsEvaluationSchema>;
export type RegressionEvaluation = z.infer<typeof regressionEvaluationSchema>;
/** How well a module did on a split of a data set. */
export type Evaluation = z.infer<typeof evaluationSchema>;

/** How two evaluations of one target differ: second minus first. */
export const evaluationComparisonSchema = z.object({
  target: z.enum(["class", "labels", "number"]),
  /** Whether both are of the same examples in the same order; else the differences say little. */
  sameExamples: z.boolean(),
  /** By the metric's name. */
  differences: z.record(
    z.string(),
    z.object({ first: z.number(), second: z.number(), difference: z.number() }),
  ),
  /** Whether the second is right on other examples than the first by more than chance; for the same examples. */
  mcnemar: z
    .object({
      /** Right in the first only, and in the second only. */
      onlyFirst: count,
      onlySecond: count,
      /** Exact, two-sided: how likely chance alone would part them as unevenly. */
      pValue: share,
    })
    .optional(),
});
export type EvaluationComparison = z.infer<typeof evaluationComparisonSchema>;

/** How far two vectors are from each other: by the angle between them, or by the straight line. */
export const distanceSchema = z.enum(["cosine", "euclid"]);

/** How often the nearest other example has another label, for one way of measuring. */
export const nearestNeighbourSchema = z.object({
  metric: distanceSchema,
  /** Wrong neighbours ÷ examples. */
  error: share,
  wrong: count,
  /** Examples measured; fewer than there are where a sample was drawn. */
  examples: count,
  of: count,
});
export type NearestNeighbour = z.infer<typeof nearestNeighbourSchema>;
