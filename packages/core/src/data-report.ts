import { z } from "zod";
import { splitSchema } from "./data-reading.ts";
import { problemDocumentSchema } from "./problem-document.ts";

/** What is in a data set, said before anything is trained on it. Made by `packages/dataset`. */

/** How long the texts are (in characters), or the images' files (in bytes). */
export const lengthsSchema = z.object({
  unit: z.enum(["characters", "bytes"]),
  least: z.int().min(0),
  median: z.number(),
  /** 95 of 100 are no longer. */
  p95: z.number(),
  most: z.int().min(0),
});

/** Examples that were left out or stand in the way, by what is wrong with them. */
export const dataFaultSchema = z.object({
  code: z.string(),
  count: z.int().min(1),
  /** The first few: an id each, and what is wrong with it. */
  places: z.array(z.object({ id: z.string(), message: z.string() })),
});
export type DataFault = z.infer<typeof dataFaultSchema>;

/** How many examples each split has. */
const counts = z.record(splitSchema, z.int().min(0));
export type SplitCounts = z.infer<typeof counts>;

export const dataReportSchema = z.object({
  /** Of the examples that can be used. */
  examples: z.int().min(0),
  kind: z.enum(["text", "image"]),
  target: z.enum(["class", "labels", "number"]),
  /** Absent where the target is a number. In the order of the outputs that a head has for them. */
  classes: z.array(z.object({ label: z.string(), counts })).optional(),
  /** Of targets that are numbers, over the train split. */
  numbers: z
    .object({ least: z.number(), mean: z.number(), deviation: z.number(), most: z.number() })
    .optional(),
  splits: z.object({
    counts,
    /** Those that the data brings; the others were drawn, or are empty. */
    given: z.array(splitSchema),
  }),
  lengths: lengthsSchema.optional(),
  duplicates: z.object({
    /** Examples whose content stood in the data set before. */
    all: z.int().min(0),
    /** Examples of the test split whose content is also in train or validation. */
    testInTrain: z.int().min(0),
    /** Examples whose content stood there before with another label. */
    otherLabel: z.int().min(0),
  }),
  /** Rows without text or with blanks only; always left out. */
  emptyRows: z.int().min(0),
  /** Files of an archive that are in no folder of a class; always left out. */
  otherFiles: z.int().min(0),
  /** Left out, or among the problems, as the reading says. */
  faults: z.array(dataFaultSchema),
  /** Why nothing can be trained on it; empty where it can. */
  problems: z.array(problemDocumentSchema),
  /** What may surprise: a sentence each. */
  warnings: z.array(z.string()),
});

/** What is in a data set. */
export type DataReport = z.infer<typeof dataReportSchema>;
