import { accuracyOf, SPLITS } from "@modulehub/core";
import type { Composition } from "./compose-module.ts";

/** The README of a trained module: its card, and what it was trained from. Only figures, nothing of the data itself. */
export function readmeOf({ task, settings, data, evaluations }: Composition): string {
  const { name, digest } = task.dataSet;
  const title = task.card?.title ?? `${name} on ${task.card?.baseModel ?? "a base"}`;
  const { license, languages, baseModel } = task.card ?? {};
  const front = {
    title,
    ...(license !== undefined && { license }),
    ...(languages !== undefined && { language: languages }),
    ...(baseModel !== undefined && { base_model: [baseModel] }),
    datasets: [name],
    tags: ["trained-on-modulehub"],
  };
  const matter = Object.entries(front).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  const { classes } = data.plan;
  const { hidden, activation, output } = settings.head;
  const head =
    hidden.length === 0 ? "no hidden layer" : `hidden layers of ${hidden.join(", ")} (${activation})`;
  const rows = SPLITS.flatMap((split) => {
    const evaluation = evaluations[split];
    if (evaluation === undefined) return [];
    const figure =
      evaluation.target === "number"
        ? evaluation.rootMeanSquaredError.toPrecision(4)
        : (accuracyOf(evaluation) ?? 0).toFixed(4);
    return [`| ${split} | ${evaluation.examples} | ${figure} |`];
  });
  const figure = output === "linear" ? "root mean squared error" : "accuracy";
  return `---
${matter.join("\n")}
---

# ${title.replaceAll(/[\r\n]+/g, " ")}

A head with ${head} and ${output} output${baseModel === undefined ? "" : ` on ${baseModel}`}, trained with ${settings.optimizer.name}${
    settings.trainable ? ", together with the base's own tables" : ", the base unchanged"
  }.${classes.length > 0 ? ` It tells ${classes.length} classes apart.` : ""}

| split | examples | ${figure} |
|---|---|---|
${rows.join("\n")}

Trained on data with the digest \`${digest}\`; the whole record is the version's lineage.
`;
}
