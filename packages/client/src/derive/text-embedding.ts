import { problem, type Step } from "@modulehub/core";
import type { ModelSummary, ModelValue } from "@modulehub/onnx";
import { z } from "zod";
import type { DerivedModule } from "./derive-module.ts";
import { type Layout, summaryOf } from "./layout-file.ts";
import { type ModelConfig, modelConfig } from "./model-config.ts";
import { tokenInputs, tokenizeStep } from "./text-tokens.ts";

/** `modules.json` of Sentence Transformers: what follows the transformer. */
const modulesSchema = z.array(z.looseObject({ type: z.string(), path: z.string().nullish() }));

const poolingSchema = z.looseObject({
  pooling_mode_cls_token: z.boolean().nullish(),
  pooling_mode_mean_tokens: z.boolean().nullish(),
  pooling_mode_max_tokens: z.boolean().nullish(),
  pooling_mode_mean_sqrt_len_tokens: z.boolean().nullish(),
  pooling_mode_weightedmean_tokens: z.boolean().nullish(),
  pooling_mode_lasttoken: z.boolean().nullish(),
});

type PoolMode = "mean" | "cls" | "max";

/** Texts of different lengths, so that inspection sees what padding does. */
const EXAMPLE_TEXTS = [
  "cat is on the mat",
  "dog",
  "The parliament debated the new budget until late in the night.",
];

/** A sentence transformer: tokenizer, encoder, pooling, often normalised. */
export async function deriveTextEmbedding(layout: Layout): Promise<DerivedModule | undefined> {
  const config = await modelConfig(layout);
  const graph = layout.graph();
  if (!config || !graph || !layout.find("tokenizer.json")) return undefined;
  const summary = summaryOf(graph);
  const hidden = hiddenStates(summary);
  if (!hidden) return undefined;
  const notes: string[] = [];
  const mode = await poolMode(layout, notes);
  const inputs = tokenInputs(summary);
  const pooled = (await normalizes(layout)) ? "pooled" : "default";
  const mask = "attention_mask" in inputs ? { mask: "tokens.mask" } : {};
  const steps: Step[] = [
    await tokenizeStep(layout, config),
    { run: { graph: graph.path, inputs, outputs: { [hidden.name]: "hidden" } } },
    { pool: { from: "hidden", ...mask, mode, as: pooled } },
    ...(pooled === "pooled" ? [{ normalize: { from: "pooled", as: "default" } }] : []),
  ];
  const signature = {
    inputs: { text: { dtype: "string" as const, shape: ["batch"] } },
    outputs: { default: { dtype: "float32" as const, shape: ["batch", features(hidden, config)] } },
    steps,
  };
  return {
    manifest: {
      schemaVersion: 1,
      task: "text-embedding",
      signatures: { default: signature },
      examples: [{ signature: "default", inputs: { text: EXAMPLE_TEXTS } }],
    },
    layout: "a text embedding in Hugging Face's layout",
    notes,
    added: [],
  };
}

/** The output with a vector a token. */
function hiddenStates(summary: ModelSummary): ModelValue | undefined {
  const known = ["last_hidden_state", "token_embeddings", "hidden_states"];
  return summary.outputs.find(
    ({ name, shape }) => known.includes(name) && (shape === null || shape.length === 3),
  );
}

function features(hidden: ModelValue, config: ModelConfig): number | string {
  const last = hidden.shape?.[2];
  return typeof last === "number" ? last : (config.hidden_size ?? "features");
}

async function poolMode(layout: Layout, notes: string[]): Promise<PoolMode> {
  const pooling = await layout.json("1_Pooling/config.json", poolingSchema);
  if (!pooling) {
    notes.push("There is no 1_Pooling/config.json; the mean over the tokens was assumed.");
    return "mean";
  }
  const modes = Object.entries(pooling)
    .filter(([name, on]) => name.startsWith("pooling_mode_") && on === true)
    .map(([name]) => name);
  const known: Record<string, PoolMode> = {
    pooling_mode_mean_tokens: "mean",
    pooling_mode_cls_token: "cls",
    pooling_mode_max_tokens: "max",
  };
  const [only] = modes;
  const mode = modes.length === 1 && only !== undefined ? known[only] : undefined;
  if (mode) return mode;
  throw problem(
    "asset-invalid",
    `Pooling by ${modes.join(" and ") || "nothing"} has no step; put it into the graph and write a module.json.`,
  );
}

async function normalizes(layout: Layout): Promise<boolean> {
  const modules = (await layout.json("modules.json", modulesSchema)) ?? [];
  const kinds = modules.map(({ type }) => type.slice(type.lastIndexOf(".") + 1));
  const strange = kinds.find((kind) => !["Transformer", "Pooling", "Normalize"].includes(kind));
  if (strange !== undefined)
    throw problem(
      "asset-invalid",
      `modules.json has a ${strange} layer, for which there is no step; put it into the graph and write a module.json.`,
    );
  return kinds.includes("Normalize");
}
