import { z } from "zod";
import { splitSchema } from "../data-reading.ts";
import { dataReportSchema } from "../data-report.ts";
import { digestSchema } from "../digest.ts";
import { evaluationSchema, nearestNeighbourSchema } from "../evaluation.ts";

/** What a job came to. */

/** A version by all its names; `handle` is the one that code uses. */
const versionName = z.object({ handle: z.string(), digest: digestSchema });

export const splitEvaluationsSchema = z.partialRecord(splitSchema, evaluationSchema);
export type SplitEvaluations = z.infer<typeof splitEvaluationsSchema>;

export const trainResultSchema = z.object({
  kind: z.literal("train"),
  base: versionName,
  data: dataReportSchema,
  /** Numbers of an embedding. */
  features: z.int(),
  /** Steps that were done, and the one whose weights were kept. */
  steps: z.int(),
  bestStep: z.int(),
  /** All steps were done, or the validation loss stopped falling. */
  ended: z.enum(["steps", "early"]),
  /** Of the splits that have examples. The test split was touched once. */
  evaluations: splitEvaluationsSchema,
  /** Of the version that was published. */
  published: versionName.extend({ version: z.int() }).optional(),
  seconds: z.object({ embedding: z.number(), training: z.number(), total: z.number() }),
});
export type TrainResult = z.infer<typeof trainResultSchema>;

export const evaluateResultSchema = z.object({
  kind: z.literal("evaluate"),
  module: versionName,
  data: dataReportSchema,
  /** Which examples it is of: those of the test split, or all where that is empty. */
  of: z.enum(["test", "all"]),
  evaluation: evaluationSchema,
  seconds: z.object({ total: z.number() }),
});
export type EvaluateResult = z.infer<typeof evaluateResultSchema>;

/** How often a candidate's nearest neighbour of an example has another label. */
const candidateSchema = versionName.extend({
  features: z.int(),
  nearest: nearestNeighbourSchema,
  /** Examples that were embedded in a second. */
  examplesPerSecond: z.number(),
});

export const rankResultSchema = z.object({
  kind: z.literal("rank"),
  data: dataReportSchema,
  /** Fewest errors first. */
  candidates: z.array(candidateSchema),
  seconds: z.object({ total: z.number() }),
});
export type RankResult = z.infer<typeof rankResultSchema>;

export const jobResultSchema = z.discriminatedUnion("kind", [
  trainResultSchema,
  evaluateResultSchema,
  rankResultSchema,
]);
export type JobResult = z.infer<typeof jobResultSchema>;
