import { problem } from "@modulehub/core";
import { classes } from "./classes.ts";
import type { DerivedModule } from "./derive-module.ts";
import { type Layout, summaryOf } from "./layout-file.ts";
import { isArchitecture, modelConfig } from "./model-config.ts";
import { tokenInputs, tokenizeStep } from "./text-tokens.ts";

const EXAMPLE_TEXTS = [
  "I like this very much.",
  "No.",
  "It began well, but by the end nobody cared any more.",
];

/** A text classifier: tokenizer, graph with `logits`, labels in config.json. */
export async function deriveTextClassification(layout: Layout): Promise<DerivedModule | undefined> {
  const config = await modelConfig(layout);
  const graph = layout.graph();
  if (!config || !graph || !layout.find("tokenizer.json")) return undefined;
  if (!isArchitecture(config, "ForSequenceClassification")) return undefined;
  const summary = summaryOf(graph);
  if (!summary.outputs.some(({ name }) => name === "logits"))
    throw problem("manifest-missing", "The graph has no output called logits; write a module.json.");
  const { steps, outputs, added } = classes(layout, config);
  const run = { graph: graph.path, inputs: tokenInputs(summary), outputs: { logits: "logits" } };
  const signature = {
    inputs: { text: { dtype: "string" as const, shape: ["batch"] } },
    outputs,
    steps: [await tokenizeStep(layout, config), { run }, ...steps],
  };
  return {
    manifest: {
      schemaVersion: 1,
      task: "text-classification",
      signatures: { default: signature },
      examples: [{ signature: "default", inputs: { text: EXAMPLE_TEXTS } }],
    },
    layout: "a text classifier in Hugging Face's layout",
    notes: [],
    added,
  };
}
