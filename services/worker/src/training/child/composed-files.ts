import { stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { assetPaths, graphPath, type Manifest, manifestPaths } from "@modulehub/core";
import { type ModelProto, summarizeModel } from "@modulehub/onnx";

/** Files that are read beside a tokenizer, or at the root, where they are there. */
const BESIDE = ["tokenizer_config.json", "sentence_bert_config.json"];

/**
 * The files of a base that a module composed with it needs as they are: tokenizers, images, and weights beside the graph
 * that the composed one still reads.
 */
export async function baseFiles(
  folder: string,
  { manifest, signature: name, composed }: { manifest: Manifest; signature: string; composed: ModelProto },
): Promise<string[]> {
  const signature = manifest.signatures[name]!;
  const graph = graphPath(signature);
  const assets = assetPaths(signature);
  const beside = ["", ...assets.map((path) => posix.dirname(path))].flatMap((of) =>
    BESIDE.map((file) => posix.join(of, file)),
  );
  const examples = [...manifestPaths({ ...manifest, signatures: {} })].filter(
    (path) => path !== "module.json",
  );
  const { externalData } = summarizeModel(composed);
  const weights = externalData.map(({ location }) => posix.join(posix.dirname(graph), location));
  const found: string[] = [];
  for (const path of new Set([...assets, ...beside, ...examples, ...weights]))
    if (path !== graph && (await isFile(join(folder, path)))) found.push(path);
  return found;
}

async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  return found?.isFile() ?? false;
}
