import { z } from "zod";
import { distanceSchema } from "../evaluation.ts";
import { isAlias, MAX_VERSION } from "../handle.ts";
import { VISIBILITIES } from "../permissions.ts";
import { trainingSettingsSchema } from "../training-settings.ts";
import { dataSetSchema } from "./data-set.ts";

/**
 * What `POST /v1/jobs` takes, by the kind of work. Defaults are filled in when it is parsed, and stored so: a job says
 * all that decides its result.
 */

/** What a job does: make a module, say how good one is, or say which of several suits a data set best. */
export const JOB_KINDS = ["train", "evaluate", "rank"] as const;
export type JobKind = (typeof JOB_KINDS)[number];

const handle = z.string().min(1).max(512);
/** Whose job it is: its writers see it, and the data set is among its blobs. */
const publisher = z.string().min(1).max(64);

/** Where the trained module goes; without it the job ends with its figures. */
export const publishTargetSchema = z.strictObject({
  /** `publisher/name…`, of the job's publisher. It is made when it isn't there. */
  module: z.string().min(1).max(128),
  /** Of a module that is made; default private. */
  visibility: z.enum(VISIBILITIES).optional(),
  /** Default: the next number. */
  version: z.int().min(1).max(MAX_VERSION).optional(),
  aliases: z.array(z.string().refine(isAlias, "is not an alias that is allowed")).max(32).default([]),
  /** Of the card; default says what was trained on what. */
  title: z.string().trim().min(1).max(200).optional(),
});
export type PublishTarget = z.infer<typeof publishTargetSchema>;

/** What a head's output learns. */
const TARGETS = { softmax: "class", sigmoid: "labels", linear: "number" } as const;

export const trainRequestSchema = z
  .strictObject({
    kind: z.literal("train"),
    publisher,
    /** Handle of a module with an embedding. What it stands for when the job is made stays its base. */
    base: handle,
    dataSet: dataSetSchema,
    settings: trainingSettingsSchema.prefault({}),
    /** Passes over the train split, in place of `settings.steps`. */
    epochs: z.int().min(1).max(100_000).optional(),
    /** The job fails, and publishes nothing, where the test split's accuracy is lower. */
    requireAccuracy: z.number().min(0).max(1).optional(),
    publish: publishTargetSchema.optional(),
  })
  .check((context) => {
    const { settings, dataSet, requireAccuracy } = context.value;
    const fault = (path: PropertyKey[], message: string) =>
      context.issues.push({ code: "custom", path, message, input: context.value });
    const { output } = settings.head;
    const { target } = dataSet.reading;
    if (TARGETS[output] !== target)
      fault(
        ["dataSet", "reading", "target"],
        `must be ${TARGETS[output]} for a head whose output is ${output}, not ${target}`,
      );
    if (settings.trainable && settings.head.standardize)
      fault(
        ["settings", "head", "standardize"],
        "needs embeddings that stay as they are; leave it out, or train the head alone",
      );
    if (output === "linear" && requireAccuracy !== undefined)
      fault(["requireAccuracy"], "means nothing for a linear output: it has no accuracy");
    if (output === "linear" && settings.classWeights !== undefined)
      fault(["settings", "classWeights"], "means nothing for a linear output: it has no classes");
  });
export type TrainRequest = z.infer<typeof trainRequestSchema>;

export const evaluateRequestSchema = z.strictObject({
  kind: z.literal("evaluate"),
  publisher,
  /** Handle of a classifier. */
  module: handle,
  dataSet: dataSetSchema,
  requireAccuracy: z.number().min(0).max(1).optional(),
});
export type EvaluateRequest = z.infer<typeof evaluateRequestSchema>;

export const rankRequestSchema = z.strictObject({
  kind: z.literal("rank"),
  publisher,
  /** Handles of modules with an embedding. */
  candidates: z.array(handle).min(1).max(32),
  dataSet: dataSetSchema,
  /** Examples that are compared at most; more are sampled by the reading's seed. The work grows with their square. */
  examples: z.int().min(2).max(20_000).default(2_000),
  metric: distanceSchema.default("cosine"),
});
export type RankRequest = z.infer<typeof rankRequestSchema>;

export const jobRequestSchema = z.discriminatedUnion("kind", [
  trainRequestSchema,
  evaluateRequestSchema,
  rankRequestSchema,
]);
/** A job's request with every default filled in. */
export type JobRequest = z.infer<typeof jobRequestSchema>;
/** A job's request as a client may write it. */
export type JobRequestInput = z.input<typeof jobRequestSchema>;
