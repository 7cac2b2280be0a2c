import { z } from "zod";
import type { Transport } from "../transport.ts";
import { type Items, itemsToJson } from "./items.ts";
import { operationPath } from "./module-path.ts";

export type ClassifyInput = Items;

export interface ClassifyOptions {
  /** How many labels an item, best first. Default: what the module says, else all. */
  topK?: number;
}

/** An answer of `POST …/classify`. */
export const classifyAnswer = z.looseObject({
  results: z.array(z.array(z.looseObject({ label: z.string(), score: z.union([z.number(), z.string()]) }))),
});

/** For each item its labels, best first. */
export type ClassifyAnswer = z.infer<typeof classifyAnswer>;

export async function classify(
  transport: Transport,
  handle: string,
  inputs: ClassifyInput,
  options: ClassifyOptions = {},
): Promise<ClassifyAnswer> {
  const body = { inputs: itemsToJson(inputs), topK: options.topK };
  return transport.call("POST", operationPath(handle, "classify"), classifyAnswer, { body, retry: "safe" });
}
