import { z } from "zod";
import { PROBLEM_CODES, type ProblemDocument } from "./problem.ts";

/** A problem document from another service; a code that a newer one has becomes `internal`. */
export const problemDocumentSchema: z.ZodType<ProblemDocument> = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.enum(PROBLEM_CODES).catch("internal"),
  detail: z.string().optional(),
  requestId: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  retryAfter: z.number().optional(),
});
