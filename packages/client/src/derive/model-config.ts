import { z } from "zod";
import type { Layout } from "./layout-file.ts";

/** What is read of a Hugging Face `config.json`. */
const schema = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  id2label: z.record(z.string(), z.string()).nullish(),
  problem_type: z.string().nullish(),
  hidden_size: z.int().nullish(),
  max_position_embeddings: z.int().nullish(),
});
export type ModelConfig = z.infer<typeof schema>;

export const modelConfig = (layout: Layout): Promise<ModelConfig | undefined> =>
  layout.json("config.json", schema);

/** Whether a model is of a kind, such as `ForSequenceClassification`. */
export const isArchitecture = (config: ModelConfig, suffix: string): boolean =>
  (config.architectures ?? []).some((architecture) => architecture.endsWith(suffix));

/** The labels in the order of the scores; undefined where their numbers are not 0 … n-1. */
export function orderedLabels(config: ModelConfig): string[] | undefined {
  const byNumber = config.id2label ?? {};
  const count = Object.keys(byNumber).length;
  const labels = Array.from({ length: count }, (_, index) => byNumber[String(index)]);
  const complete = labels.every((label) => label !== undefined && !/[\r\n]/.test(label));
  return count > 0 && complete ? labels.filter((label) => label !== undefined) : undefined;
}
