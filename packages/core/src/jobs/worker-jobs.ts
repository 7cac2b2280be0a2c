import { z } from "zod";
import { dataReportSchema } from "../data-report.ts";
import { digestSchema } from "../digest.ts";
import { distanceSchema } from "../evaluation.ts";
import { problemDocumentSchema } from "../problem-document.ts";
import { trainingSettingsSchema } from "../training-settings.ts";
import { dataSetSchema } from "./data-set.ts";
import { jobProgressSchema, LOG_LEVELS } from "./job.ts";
import { jobResultSchema } from "./result.ts";

/**
 * How the API has a job done. It sends the assignment and reads one line of JSON after another until the last, which
 * is `result` or `problem`. Closing the connection cancels: a worker then forgets the job at once. The worker keeps
 * nothing of a job but what its cache holds by digest, so any worker can go on with it.
 *
 * What a job makes (checkpoints, files of a module) is sent to the API first, as bytes by their digest, to
 * `PUT {JOB_FILES}{job}/files/{digest}`, with the attempt in a header: an attempt that the API gave up can change
 * nothing any more.
 */
export const WORKER_JOB_ROUTE = "/v1/jobs";

/** What the API takes from workers for a job: `{job}/files/{digest}` follows. */
export const INTERNAL_JOB_ROUTE = "/internal/jobs/";

/** Names the attempt that a worker works on. */
export const ATTEMPT_HEADER = "modulehub-attempt";

/** Most milliseconds between two lines of an answer: the worker sends `alive` when it has nothing else to say. */
export const ALIVE_MS = 5_000;

const version = z.object({
  /** For people and results. */
  handle: z.string(),
  digest: digestSchema,
});

export const jobCheckpointSchema = z.object({
  digest: digestSchema,
  size: z.int().min(0),
  step: z.int().min(0),
});
export type JobCheckpoint = z.infer<typeof jobCheckpointSchema>;

/** A data set with its bytes' number, so that no more are read. */
const assignedData = dataSetSchema.extend({ size: z.int().min(0) });
export type AssignedData = z.infer<typeof assignedData>;

/** Front matter of a README. What is the base's holds for what is made of it. */
export const moduleCardSchema = z.object({
  title: z.string().optional(),
  license: z.string().optional(),
  languages: z.array(z.string()).optional(),
  /** Left out where readers of the module may not know the base. */
  baseModel: z.string().optional(),
});
export type ModuleCard = z.infer<typeof moduleCardSchema>;

export const jobTaskSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("train"),
    base: version,
    dataSet: assignedData,
    settings: trainingSettingsSchema,
    epochs: z.int().optional(),
    requireAccuracy: z.number().optional(),
    /** What the module's card is to say beside what the job knows; absent where nothing is published. */
    card: moduleCardSchema.optional(),
    checkpoint: jobCheckpointSchema.optional(),
  }),
  z.object({
    kind: z.literal("evaluate"),
    module: version,
    dataSet: assignedData,
    requireAccuracy: z.number().optional(),
  }),
  z.object({
    kind: z.literal("rank"),
    candidates: z.array(version),
    dataSet: assignedData,
    examples: z.int(),
    metric: distanceSchema.default("cosine"),
  }),
]);
export type JobTask = z.infer<typeof jobTaskSchema>;

export const jobAssignmentSchema = z.object({
  job: z.string(),
  attempt: z.string(),
  /** Whole seconds that the job may still take. */
  secondsLeft: z.int().min(1),
  task: jobTaskSchema,
});
export type JobAssignment = z.infer<typeof jobAssignmentSchema>;

/** A file of the module that a job made; its bytes are with the API already. */
const madeFile = z.object({ path: z.string(), size: z.int().min(0), digest: digestSchema });

export const jobMessageSchema = z.discriminatedUnion("message", [
  z.object({ message: z.literal("alive") }),
  z.object({ message: z.literal("progress"), progress: jobProgressSchema }),
  z.object({ message: z.literal("log"), level: z.enum(LOG_LEVELS), text: z.string() }),
  z.object({ message: z.literal("report"), report: dataReportSchema }),
  /** The checkpoint's bytes are with the API: it is the one to go on from. */
  z.object({ message: z.literal("checkpoint"), checkpoint: jobCheckpointSchema }),
  z.object({ message: z.literal("result"), result: jobResultSchema, files: z.array(madeFile) }),
  /** 4xx: nothing would be otherwise at another try. 5xx: it is tried again. */
  z.object({ message: z.literal("problem"), problem: problemDocumentSchema }),
]);
export type JobMessage = z.infer<typeof jobMessageSchema>;
