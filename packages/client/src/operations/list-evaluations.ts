import { storedEvaluationSchema } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import { namedData } from "./lineage.ts";
import type { PageOptions } from "./list-modules.ts";
import { versionPath } from "./module-path.ts";

/** An answer of `GET …/versions/{version}/evaluations`. */
export const evaluationPage = z.looseObject({
  items: z.array(storedEvaluationSchema.extend({ dataSet: namedData })),
  next: z.string().optional(),
});
export type EvaluationPage = z.infer<typeof evaluationPage>;

/** A page of how well the version that a handle means did on data sets, newest first. */
export function listEvaluations(
  transport: Transport,
  handle: string,
  options: PageOptions = {},
): Promise<EvaluationPage> {
  return transport.call("GET", `${versionPath(handle)}/evaluations`, evaluationPage, {
    query: { ...options },
  });
}
