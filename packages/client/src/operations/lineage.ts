import { digestSchema, lineageSchema, trainedFromSchema } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import { versionPath } from "./module-path.ts";

/** What is told of a data set; how it was read is told as it is, since a newer hub may read in more ways. */
export const namedData = z.looseObject({
  digest: digestSchema,
  name: z.string(),
  reading: z.looseObject({}),
});

/** An answer of `GET …/versions/{version}/lineage`. */
export const lineageAnswer = lineageSchema.extend({
  trainedFrom: trainedFromSchema.extend({ dataSet: namedData, settings: z.looseObject({}) }).optional(),
});
export type Lineage = z.infer<typeof lineageAnswer>;

/** What the version that a handle means was trained from, and what was trained from it. Throws as `Transport.call` does. */
export function lineage(transport: Transport, handle: string): Promise<Lineage> {
  return transport.call("GET", `${versionPath(handle)}/lineage`, lineageAnswer);
}
