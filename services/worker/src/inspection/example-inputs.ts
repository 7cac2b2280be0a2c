import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Example,
  type InputTensor,
  isSafeFilePath,
  problem,
  type Signature,
  tensorFromJson,
} from "@modulehub/core";

/** A picture in an example; larger ones are refused before they are read. */
const MAX_EXAMPLE_FILE_BYTES = 32 * 1024 * 1024;

/**
 * An example's inputs as tensors, its `{"file": path}` read from the module's folder. Throws `tensor-invalid`,
 * `input-unknown`, `asset-invalid`.
 */
export async function exampleInputs(
  folder: string,
  signature: Signature,
  example: Example,
): Promise<Map<string, InputTensor>> {
  const inputs = new Map<string, InputTensor>();
  for (const [name, value] of Object.entries(example.inputs)) {
    const spec = Object.hasOwn(signature.inputs, name) ? signature.inputs[name] : undefined;
    if (!spec) throw problem("input-unknown", `The signature has no input ${name.slice(0, 100)}.`);
    const whole = spec.dtype === "image" ? await withFiles(folder, value) : value;
    inputs.set(name, tensorFromJson(whole, spec, `inputs.${name.slice(0, 100)}`));
  }
  return inputs;
}

async function withFiles(folder: string, value: unknown): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map((element) => withFiles(folder, element)));
  if (typeof value !== "object" || value === null || !("file" in value)) return value;
  const { file } = value;
  if (typeof file !== "string" || !isSafeFilePath(file))
    throw problem("asset-invalid", "An example names a file that is not a path inside the module.");
  const bytes = await readFile(join(folder, file)).catch((cause: unknown) => {
    throw problem("asset-invalid", `An example names ${file}, which is not a file of the module.`, { cause });
  });
  if (bytes.byteLength > MAX_EXAMPLE_FILE_BYTES)
    throw problem("asset-invalid", `${file} is too large for an example.`);
  return { b64: bytes.toString("base64") };
}
