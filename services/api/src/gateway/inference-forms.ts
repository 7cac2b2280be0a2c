import { z } from "zod";

/**
 * What clients send and get in the JSON form of each operation, for the OpenAPI document only: the gateway
 * never parses a body, the workers do.
 */
const nested = z.json();
const image = z.object({ b64: z.string() });
const tensor = z.object({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data: z.array(z.union([z.number(), z.string(), z.boolean(), image])),
});
const truncated = z
  .array(z.object({ input: z.string(), item: z.int(), kept: z.int(), of: z.int() }))
  .optional();
const items = z.union([z.string(), z.array(z.string()), image, z.array(image)]);
const named = { model: z.string(), version: z.int() };

export const INFERENCE_FORMS = {
  infer: {
    request: z.object({
      signature: z.string().optional(),
      inputs: z.record(z.string(), z.union([tensor, nested])),
      outputs: z.array(z.string()).optional(),
    }),
    answer: z.object({
      module: z.string(),
      version: z.int(),
      digest: z.string(),
      outputs: z.record(z.string(), tensor),
      truncated,
    }),
  },
  embed: {
    request: z.object({ inputs: items }),
    answer: z.object({ embeddings: z.array(z.array(z.number())), ...named, truncated }),
  },
  classify: {
    request: z.object({ inputs: items, topK: z.int().min(1).optional() }),
    answer: z.object({
      results: z.array(z.array(z.object({ label: z.string(), score: z.number() }))),
      ...named,
      truncated,
    }),
  },
} as const;

export type Operation = keyof typeof INFERENCE_FORMS;
