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

/** What the child is told, as its argument. */
export const childTaskSchema = z.object({
  folder: z.string(),
  /** All files of the draft: path and bytes. */
  files: z.array(z.object({ path: z.string(), size: z.number() })),
  threads: z.int().min(1),
});
export type ChildTask = z.infer<typeof childTaskSchema>;
