import {
  dataReportSchema,
  isSafeFilePath,
  jobProgressSchema,
  jobResultSchema,
  jobTaskSchema,
  LOG_LEVELS,
  PROBLEMS,
  type ProblemCode,
} from "@modulehub/core";
import { z } from "zod";

/**
 * What a worker and the process that does a job say to each other, as frames (engines/frames.ts). That process reads
 * data of strangers, so what it says is checked as an engine's words are.
 *
 * It holds no token and reaches nothing but its folder: what is to be fetched, embedded or sent, it asks the worker
 * for, one thing at a time or several, each with an id that the answer names.
 */

/** The job, as the process's argument. */
export const jobArgumentSchema = z.object({
  task: jobTaskSchema,
  /** For everything that it makes. */
  folder: z.string(),
  /** The data set's bytes. */
  data: z.string(),
  /** Of each module that the task names, in its order: where its files are. */
  modules: z.array(z.object({ handle: z.string(), digest: z.string(), folder: z.string() })),
  /** Embeddings by module, in the same order: the file that holds them, or is to, and the list of what it has so far. */
  embeddings: z.array(z.object({ path: z.string(), saved: z.string(), complete: z.boolean() })),
  /** The checkpoint's file, where there is one to go on from. */
  checkpoint: z.string().optional(),
  threads: z.int().min(1),
  /** Least milliseconds between two checkpoints. */
  checkpointMs: z.number().min(0),
});
export type JobArgument = z.infer<typeof jobArgumentSchema>;

/** The name of a file in the job's folder. */
const fileName = z.string().regex(/^[\w-]{1,64}$/);

/** A file of a module, by the path that it will have: one of the job's folder, or one of the base as it is. */
const madeFile = z.union([
  z.object({ path: z.string().max(512), file: fileName }),
  z.object({ path: z.string().max(512), ofBase: z.string().max(512).refine(isSafeFilePath) }),
]);
export type MadeFile = z.infer<typeof madeFile>;

export const jobWordSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("progress"), progress: jobProgressSchema }),
  z.object({ kind: z.literal("log"), level: z.enum(LOG_LEVELS), text: z.string().max(2000) }),
  z.object({ kind: z.literal("report"), report: dataReportSchema }),
  /** A file of embeddings is whole. */
  z.object({ kind: z.literal("embeddings"), module: z.int().min(0) }),
  /** Tensors hold the items: `texts`, or images as `0`, `1`, …. Answered by tensors: `rows`, or `labels` and `scores`. */
  z.object({
    kind: z.literal("run"),
    id: z.int(),
    module: z.int().min(0),
    operation: z.enum(["embed", "classify"]),
  }),
  /** Answered when its bytes are with the API. */
  z.object({ kind: z.literal("checkpoint"), id: z.int(), step: z.int().min(0), file: fileName }),
  z.object({ kind: z.literal("result"), result: jobResultSchema, files: z.array(madeFile).max(1000) }),
  z.object({
    kind: z.literal("problem"),
    code: z.string().refine((code): code is ProblemCode => Object.hasOwn(PROBLEMS, code)),
    detail: z.string().max(4000),
  }),
]);
/** What the process says. */
export type JobWord = z.infer<typeof jobWordSchema>;

export const jobAnswerSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("done"), id: z.int() }),
  z.object({
    kind: z.literal("failed"),
    id: z.int(),
    code: z.string().refine((code): code is ProblemCode => Object.hasOwn(PROBLEMS, code)),
    detail: z.string(),
  }),
]);
/** What the worker answers. */
export type JobAnswer = z.infer<typeof jobAnswerSchema>;
