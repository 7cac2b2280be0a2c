import { z } from "zod";
import { dataReadingSchema } from "../data-reading.ts";
import { digestSchema } from "../digest.ts";

/** A labelled data set as a job names it: bytes by their digest and how they are read, which together decide every example. */
export const dataSetSchema = z.strictObject({
  /** Of a blob of the job's publisher: send it with `POST /v1/uploads`. */
  digest: digestSchema,
  /** What it is called, such as the name of its file; only for people. */
  name: z.string().trim().min(1).max(200).default("data"),
  reading: dataReadingSchema,
});
/** A data set with every default filled in. */
export type DataSet = z.infer<typeof dataSetSchema>;
export type DataSetInput = z.input<typeof dataSetSchema>;
