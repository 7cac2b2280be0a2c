import type { DataLimits, DataPlan, DataSource, Example, ExampleTarget } from "./example.ts";
import { DATA_LIMITS } from "./limits.ts";
import type { RawLabel } from "./row.ts";
import { readRows } from "./rows.ts";
import { contentDigest } from "./survey/content-digest.ts";
import { drawOf } from "./survey/draw.ts";

/**
 * The examples of a data set in its order, one at a time, as the plan that `surveyDataset` made of the same bytes
 * says; what can't be used is left out. May be called again for another pass, which gives the same.
 */
export async function* readDataset(
  source: DataSource,
  plan: DataPlan,
  limits: DataLimits = DATA_LIMITS,
): AsyncGenerator<Example, void> {
  const { reading, drawn, folders } = plan;
  const indexes = new Map(plan.classes.map((name, index) => [name, index]));
  for await (const row of readRows(source, reading, folders, limits)) {
    if (row.kind !== "example" || row.content.kind !== plan.kind) continue;
    const target = targetOf(row.label, indexes);
    if (!target) continue;
    const { id, content, label } = row;
    let split = row.split ?? "train";
    if (split === "train" && drawn.test.size + drawn.validation.size > 0) {
      const digest = contentDigest(content);
      const stratum = label.kind === "class" ? label.name : "";
      for (const other of ["test", "validation"] as const)
        if (
          split === "train" &&
          drawOf(reading.split.seed, other, digest) <= (drawn[other].get(stratum) ?? -1)
        )
          split = other;
    }
    yield { id, split, content, target };
  }
}

/** Undefined for a class that the plan doesn't have. */
function targetOf(label: RawLabel, indexes: ReadonlyMap<string, number>): ExampleTarget | undefined {
  if (label.kind === "number") return label;
  if (label.kind === "class") {
    const index = indexes.get(label.name);
    return index === undefined ? undefined : { kind: "class", class: index };
  }
  const labels = label.names.map((name) => indexes.get(name)).filter((index) => index !== undefined);
  return labels.length === label.names.length
    ? { kind: "labels", labels: labels.toSorted((a, b) => a - b) }
    : undefined;
}
