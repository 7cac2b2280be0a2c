import { problem } from "@modulehub/core";
import { classes } from "./classes.ts";
import type { DerivedModule } from "./derive-module.ts";
import { imageStep } from "./image-preprocessor.ts";
import { type Layout, summaryOf } from "./layout-file.ts";
import { isArchitecture, modelConfig } from "./model-config.ts";

/** An image classifier: preprocessor_config.json, graph with `logits`, labels in config.json. */
export async function deriveImageClassification(layout: Layout): Promise<DerivedModule | undefined> {
  const config = await modelConfig(layout);
  const graph = layout.graph();
  if (!config || !graph || !layout.find("preprocessor_config.json")) return undefined;
  if (!isArchitecture(config, "ForImageClassification")) return undefined;
  const summary = summaryOf(graph);
  const [input, ...others] = summary.inputs;
  if (!input || others.length > 0)
    throw problem("manifest-missing", "The graph has other inputs than one of pixels; write a module.json.");
  const scores = summary.outputs.find(({ name }) => name === "logits") ?? summary.outputs[0];
  if (!scores) throw problem("graph-invalid", "The graph has no outputs.");
  const { steps, outputs, added } = classes(layout, config);
  const run = { graph: graph.path, inputs: { [input.name]: "pixels" }, outputs: { [scores.name]: "logits" } };
  const signature = {
    inputs: { image: { dtype: "image" as const, shape: ["batch"] } },
    outputs,
    steps: [await imageStep(layout, input), { run }, ...steps],
  };
  return {
    manifest: { schemaVersion: 1, task: "image-classification", signatures: { default: signature } },
    layout: "an image classifier in Hugging Face's layout",
    notes: ["No example was derived; one with a photo lets inspection prove that images may be batched."],
    added,
  };
}
