import { versionComparisonSchema } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import { namedData } from "./lineage.ts";
import { versionPath } from "./module-path.ts";

/** An answer of `GET …/versions/{version}/comparison`. */
export const comparisonAnswer = versionComparisonSchema.extend({
  comparisons: z.array(versionComparisonSchema.shape.comparisons.element.extend({ dataSet: namedData })),
});
export type VersionComparison = z.infer<typeof comparisonAnswer>;

/**
 * How the version that `second` means does beside the one that `first` means, on all data that both were evaluated on.
 * Throws as `Transport.call` does.
 */
export function compareVersions(
  transport: Transport,
  first: string,
  second: string,
): Promise<VersionComparison> {
  return transport.call("GET", `${versionPath(second)}/comparison`, comparisonAnswer, {
    query: { with: first },
  });
}
