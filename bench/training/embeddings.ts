import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Tensor } from "@modulehub/core/tensor";
import { buildTextEmbedding, type ModelProto, modelBytes, readWordVectors } from "@modulehub/onnx";
import { openSessionFromBytes } from "@modulehub/runtime/session";
import type { Reviews } from "./reviews.ts";

const ROOT = join(import.meta.dirname, "../..");
const VECTORS = join(ROOT, ".cache/word-vectors/glove-en-100d-full.mhwv");
/** Texts a run of a string graph. */
const BATCH = 32;

/** nnlm-en-dim100-with-normalization of the full vocabulary, as `modulehub build text-embedding --normalize` makes it. */
export async function fullNnlm(): Promise<ModelProto> {
  if (!existsSync(VECTORS))
    execFileSync(process.execPath, ["scripts/models/derive-word-vectors.ts", "--full"], {
      cwd: ROOT,
      stdio: "inherit",
    });
  return buildTextEmbedding(await readWordVectors(VECTORS), { normalize: true });
}

/** Runs a graph of texts over all of them and gives its outputs, batch by batch, in their order. */
export async function* runOnTexts(
  model: ModelProto,
  texts: readonly string[],
): AsyncGenerator<Map<string, Tensor>> {
  const session = await openSessionFromBytes(modelBytes(model), "", { threads: 2 });
  for (let start = 0; start < texts.length; start += BATCH) {
    const data = texts.slice(start, start + BATCH);
    yield await session.run(new Map([["text", { dtype: "string", shape: [data.length], data }]]));
  }
  await session.close();
}

/** Embeddings of texts, row-major. */
export async function embedTexts(
  model: ModelProto,
  texts: readonly string[],
  width: number,
): Promise<Float32Array> {
  const rows = new Float32Array(texts.length * width);
  let at = 0;
  for await (const fetched of runOnTexts(model, texts)) {
    const tensor = fetched.get("default");
    if (tensor?.dtype !== "float32") throw new Error("the module gives no embedding");
    rows.set(tensor.data, at);
    at += tensor.data.length;
  }
  return rows;
}

/** The path of a file for the baselines. */
export function forBaselines(name: string): string {
  const folder = join(ROOT, ".cache/bench/training");
  mkdirSync(folder, { recursive: true });
  return join(folder, name);
}

/** Numbers one array after another, little-endian. */
export function writeNumbers(path: string, arrays: readonly NodeJS.TypedArray[]): void {
  writeFileSync(
    path,
    Buffer.concat(
      arrays.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
    ),
  );
}

/** Embeddings and labels as the files that the baselines read. */
export function writeForBaselines(
  name: string,
  parts: Record<"train" | "test", { rows: Float32Array; reviews: Pick<Reviews, "labels"> }>,
): string[] {
  return (["train", "test"] as const).flatMap((part) => {
    const { rows, reviews } = parts[part];
    const files = [`${name}-${part}.f32`, `${name}-${part}.labels`].map(forBaselines);
    writeNumbers(files[0]!, [rows]);
    writeNumbers(files[1]!, [reviews.labels]);
    return files;
  });
}
