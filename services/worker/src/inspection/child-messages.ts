import { inspectionReportSchema, PROBLEMS, type ProblemCode } from "@modulehub/core";
import { z } from "zod";

/** What the inspecting child says. It may be in the hands of whoever wrote the model: data, always checked. */
const problemSchema = z.object({
  code: z.string().refine((code): code is ProblemCode => Object.hasOwn(PROBLEMS, code)),
  detail: z.string().max(4000),
});

export const childMessageSchema = z.discriminatedUnion("kind", [
  /** Something begins that may take `ms`. */
  z.object({ kind: z.literal("phase"), name: z.string().max(200), ms: z.number().positive().max(600_000) }),
  z.object({ kind: z.literal("accepted"), report: inspectionReportSchema }),
  z.object({ kind: z.literal("rejected"), problems: z.array(problemSchema).min(1).max(100) }),
]);
export type ChildMessage = z.infer<typeof childMessageSchema>;

const milliseconds = z.number().positive();
const timesSchema = z.object({
  /** Each of the static checks. */
  checkMs: milliseconds,
  loadMs: milliseconds,
  exampleMs: milliseconds,
  /** Trying to batch ends by itself after this; a single run that takes longer is ended from outside. */
  batchingMs: milliseconds,
  /** All of it from the first word on, however many parts the child says there are. */
  totalMs: milliseconds,
});
/** How long the parts of an inspection may take, and all of them together. */
export type InspectionTimes = z.infer<typeof timesSchema>;

export const INSPECTION_TIMES: InspectionTimes = {
  checkMs: 30_000,
  loadMs: 60_000,
  exampleMs: 30_000,
  batchingMs: 25_000,
  // Of the 15 minutes that the API waits for an answer (its worker-client) five are left to fetching and to the line.
  totalMs: 10 * 60_000,
};

/** What the child is told, as its argument. */
export const childTaskSchema = z.object({
  folder: z.string(),
  /** All files of the draft: path and bytes. */
  files: z.array(z.object({ path: z.string(), size: z.number() })),
  threads: z.int().min(1),
  times: timesSchema,
});
export type ChildTask = z.infer<typeof childTaskSchema>;
