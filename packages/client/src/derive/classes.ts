import { problem, type Step, type TensorSpec } from "@modulehub/core";
import { memoryFile, type SourceFile } from "../publish/source-file.ts";
import type { Layout } from "./layout-file.ts";
import { type ModelConfig, orderedLabels } from "./model-config.ts";

/** The end of a classifier: from a graph's scores to labels. */
export interface Classes {
  steps: Step[];
  outputs: Record<string, TensorSpec>;
  added: SourceFile[];
}

/** Steps that turn `logits` into the labels of config.json, kept as a file with a label a line. */
export function classes(layout: Layout, config: ModelConfig): Classes {
  const labels = orderedLabels(config);
  if (!labels)
    throw problem(
      "asset-invalid",
      "id2label in config.json must number the labels from 0 up; write a module.json.",
    );
  const independent = config.problem_type === "multi_label_classification";
  const path = layout.find("labels.txt") ? "id2label.txt" : "labels.txt";
  const scores = { from: "logits", as: "scores" };
  return {
    steps: [
      independent ? { sigmoid: scores } : { softmax: scores },
      { labels: { from: "scores", labels: path, ...(independent && { independent }), as: "classes" } },
    ],
    outputs: {
      "classes.labels": { dtype: "string", shape: ["batch", labels.length] },
      "classes.scores": { dtype: "float32", shape: ["batch", labels.length] },
    },
    added: [memoryFile(path, new TextEncoder().encode(`${labels.join("\n")}\n`))],
  };
}
