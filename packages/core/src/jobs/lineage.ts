import { z } from "zod";
import { splitSchema } from "../data-reading.ts";
import { digestSchema } from "../digest.ts";
import { evaluationComparisonSchema } from "../evaluation.ts";
import { trainingSettingsSchema } from "../training-settings.ts";
import { dataSetSchema } from "./data-set.ts";
import { evaluationFiguresSchema } from "./figures.ts";

/** Where a version comes from, and what came from it. Outside its digest: the hub's own record. */

/** A version that somebody else's page may name: `deleted` and `yanked` say what became of it. */
const relative = z.object({
  handle: z.string(),
  digest: digestSchema,
  yanked: z.boolean().optional(),
  deleted: z.boolean().optional(),
});
export type Relative = z.infer<typeof relative>;

/** How a version was made by training. */
export const trainedFromSchema = z.object({
  /** Absent where whoever asks may not read it. */
  base: relative.optional(),
  dataSet: dataSetSchema,
  settings: trainingSettingsSchema,
  figures: z.partialRecord(splitSchema, evaluationFiguresSchema),
  at: z.string(),
});
export type TrainedFrom = z.infer<typeof trainedFromSchema>;

export const lineageSchema = z.object({
  handle: z.string(),
  digest: digestSchema,
  /** Absent of a version that was not trained here. */
  trainedFrom: trainedFromSchema.optional(),
  /** What the base was trained from, and so on up, nearest first; those that whoever asks may read. */
  ancestors: z.array(relative),
  /**
   * Versions that were trained from this one, directly or not, newest first. `from` is what each was trained from
   * itself; absent where whoever asks may not read it.
   */
  descendants: z.array(relative.extend({ from: z.string().optional(), at: z.string() })),
});
export type Lineage = z.infer<typeof lineageSchema>;

/** An evaluation that is kept with a version. */
export const storedEvaluationSchema = z.object({
  /** The job that made it. */
  job: z.string(),
  /** Whose job. */
  publisher: z.string(),
  dataSet: dataSetSchema,
  figures: evaluationFiguresSchema,
  at: z.string(),
});
export type StoredEvaluation = z.infer<typeof storedEvaluationSchema>;

/** How one version does beside another on data that both were evaluated on, each by its newest evaluation of it. */
export const versionComparisonSchema = z.object({
  /** Handles. */
  first: z.string(),
  second: z.string(),
  comparisons: z.array(
    z.object({
      dataSet: dataSetSchema,
      /** Of the data that both were trained with; absent for evaluations of their own. */
      split: splitSchema.optional(),
      examples: z.int(),
      comparison: evaluationComparisonSchema,
    }),
  ),
});
export type VersionComparison = z.infer<typeof versionComparisonSchema>;
