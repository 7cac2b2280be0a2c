import { z } from "zod";
import type { Transport } from "../transport.ts";
import { type Items, itemsToJson } from "./items.ts";
import { operationPath } from "./module-path.ts";

export type EmbedInput = Items;

/** An answer of `POST …/embed`. */
export const embedAnswer = z.looseObject({
  embeddings: z.array(z.array(z.union([z.number(), z.string()]))),
  model: z.string(),
  version: z.int(),
});

/** A vector for each item, in their order; numbers that aren't finite are strings. */
export type EmbedAnswer = z.infer<typeof embedAnswer>;

export async function embed(transport: Transport, handle: string, inputs: EmbedInput): Promise<EmbedAnswer> {
  const body = { inputs: itemsToJson(inputs) };
  return transport.call("POST", operationPath(handle, "embed"), embedAnswer, { body, retry: "safe" });
}
