import { open } from "node:fs/promises";
import { join, posix } from "node:path";
import { problem, type Signature, type TokenizeStep } from "@modulehub/core";
import { MAX_LABELS_BYTES, parseLabels } from "./steps/labels.ts";
import { isQuickTokenizer } from "./steps/quick-tokenizer.ts";
import type { Tokenizer } from "./steps/tokenizer.ts";

/** The largest tokenizer.json that is read, in bytes; those of 250,000 tokens take 17 MB. */
const MAX_TOKENIZER_BYTES = 64 * 1024 * 1024;
const MAX_CONFIG_BYTES = 1_048_576;

/** A tokenizer of a module and the most tokens of a text, where anything sets a limit. */
export interface LoadedTokenizer {
  tokenizer: Tokenizer;
  maxLength: number | undefined;
}

/**
 * A tokenize step's tokenizer. The limit is the manifest's, else that of sentence_bert_config.json beside the
 * tokenizer or at the module's root, else that of tokenizer.json. Throws `asset-invalid`.
 */
export async function loadTokenizer(folder: string, step: TokenizeStep): Promise<LoadedTokenizer> {
  const beside = (name: string) => posix.join(posix.dirname(step.tokenizer), name);
  const json = await readText(folder, step.tokenizer, MAX_TOKENIZER_BYTES);
  if (json === undefined)
    throw problem("asset-invalid", `${step.tokenizer} is not part of the module; add it.`);
  const config = await readText(folder, beside("tokenizer_config.json"), MAX_CONFIG_BYTES);
  // Engines compile graphs but never tokenize: the library is loaded by those that need it.
  const { parseTokenizer } = await import("./steps/tokenizer.ts");
  const tokenizer = parseTokenizer(json, config);
  const limits = [beside("sentence_bert_config.json"), "sentence_bert_config.json"];
  let maxLength = step.maxLength;
  for (const path of limits)
    maxLength ??= sentenceLimit(path, await readText(folder, path, MAX_CONFIG_BYTES));
  return { tokenizer, maxLength: maxLength ?? tokenizer.maxLength };
}

/** Whether a tokenize step's tokenizer takes a time that is known to be bounded by the length of its texts. */
export async function hasQuickTokenizer(folder: string, step: TokenizeStep): Promise<boolean> {
  const json = await readText(folder, step.tokenizer, MAX_TOKENIZER_BYTES);
  return json !== undefined && isQuickTokenizer(json);
}

/** The classes of a labels file of a module. Throws `asset-invalid`. */
export async function loadLabels(folder: string, path: string): Promise<string[]> {
  const bytes = await readBounded(folder, path, MAX_LABELS_BYTES);
  if (!bytes) throw problem("asset-invalid", `${path} is not part of the module; add it.`);
  return parseLabels(bytes);
}

/**
 * Loads everything that a signature's steps read, and forgets it: whether it can be used. Gives the number of
 * classes of each labels file.
 */
export async function checkAssets(folder: string, signature: Signature): Promise<Map<string, number>> {
  const classes = new Map<string, number>();
  for (const step of signature.steps ?? []) {
    if ("tokenize" in step) await loadTokenizer(folder, step.tokenize);
    if ("labels" in step)
      classes.set(step.labels.labels, (await loadLabels(folder, step.labels.labels)).length);
  }
  return classes;
}

function sentenceLimit(path: string, json: string | undefined): number | undefined {
  if (json === undefined) return undefined;
  let config: unknown;
  try {
    config = JSON.parse(json);
  } catch (cause) {
    throw problem("asset-invalid", `${path} is not JSON.`, { cause });
  }
  if (typeof config !== "object" || config === null || !("max_seq_length" in config)) return undefined;
  const limit = config.max_seq_length;
  if (limit === null) return undefined;
  if (typeof limit !== "number" || !Number.isSafeInteger(limit) || limit < 1)
    throw problem("asset-invalid", `max_seq_length of ${path} must be an integer from 1 up.`);
  return limit;
}

async function readText(folder: string, path: string, limit: number): Promise<string | undefined> {
  const bytes = await readBounded(folder, path, limit);
  if (!bytes) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw problem("asset-invalid", `${path} is not text in UTF-8.`, { cause });
  }
}

/** A file of the module; undefined where there is none. Throws `asset-invalid` where it is larger. */
export async function readBounded(
  folder: string,
  path: string,
  limit: number,
): Promise<Uint8Array | undefined> {
  const file = await open(join(folder, path)).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return undefined;
    throw error;
  });
  if (!file) return undefined;
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw problem("asset-invalid", `${path} is not a file.`);
    const { size } = stats;
    if (size > limit) throw problem("asset-invalid", `${path} has ${size} bytes; at most ${limit} are read.`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}
