import { problem, type RunStep, type Step } from "@modulehub/core";
import type { ModelSummary } from "@modulehub/onnx";
import { z } from "zod";
import type { Layout } from "./layout-file.ts";
import type { ModelConfig } from "./model-config.ts";

/** What exporters call the inputs of a text model, and what feeds them. */
const FEEDS: Record<string, string> = {
  input_ids: "tokens.ids",
  attention_mask: "tokens.mask",
  token_type_ids: "tokens.types",
};

const sentenceConfig = z.looseObject({ max_seq_length: z.int().min(1).nullish() });
/** Says 1e30 where there is no limit. */
const tokenizerConfig = z.looseObject({ model_max_length: z.number().nullish() });

/** The step that cuts texts into the graph's tokens. */
export async function tokenizeStep(layout: Layout, config: ModelConfig): Promise<Step> {
  const maxLength = await longest(layout, config);
  return {
    tokenize: { from: "text", tokenizer: "tokenizer.json", ...(maxLength && { maxLength }), as: "tokens" },
  };
}

/** Sentence Transformers' limit is a choice; the others are what the model can take at all. */
async function longest(layout: Layout, config: ModelConfig): Promise<number | undefined> {
  const chosen = (await layout.json("sentence_bert_config.json", sentenceConfig))?.max_seq_length;
  if (chosen) return chosen;
  const limits = [
    (await layout.json("tokenizer_config.json", tokenizerConfig))?.model_max_length,
    config.max_position_embeddings,
  ].filter(
    (limit) => typeof limit === "number" && Number.isInteger(limit) && limit > 0 && limit <= 1_000_000,
  );
  return limits.length > 0 ? Math.min(...limits.filter((limit) => limit != null)) : undefined;
}

/** The inputs of a run step that is fed tokens. Throws `manifest-missing` for a graph that wants other things. */
export function tokenInputs(summary: ModelSummary): RunStep["inputs"] {
  const inputs = summary.inputs.map(({ name }): [string, string] => {
    const feed = Object.hasOwn(FEEDS, name) ? FEEDS[name] : undefined;
    if (feed === undefined)
      throw problem(
        "manifest-missing",
        `The graph's input ${JSON.stringify(name.slice(0, 80))} is none that a tokenizer feeds; write a module.json.`,
      );
    return [name, feed];
  });
  return Object.fromEntries(inputs);
}
