import { readFile } from "node:fs/promises";
import {
  type ImageTensor,
  type InputTensor,
  problem,
  type Signature,
  type Tensor,
  tensorFromJson,
} from "@modulehub/core";
import { LocalFileError } from "../connection-error.ts";
import type { InferInput } from "../operations/infer.ts";
import { vectorOf } from "../operations/typed-array.ts";

/**
 * Inputs as tensors of a signature. An image is the bytes of its file, or the file's path; one alone is a list of
 * one. Throws `input-unknown`, `tensor-invalid`, and LocalFileError for an image that can't be read.
 */
export async function inputTensors(
  signature: Signature,
  inputs: Record<string, InferInput>,
): Promise<Map<string, InputTensor>> {
  const tensors = new Map<string, InputTensor>();
  for (const [name, value] of Object.entries(inputs)) {
    const spec = Object.hasOwn(signature.inputs, name) ? signature.inputs[name] : undefined;
    if (!spec)
      throw problem(
        "input-unknown",
        `The signature has no input ${name.slice(0, 100)}; it has ${Object.keys(signature.inputs).join(", ")}.`,
      );
    const path = `inputs.${name}`;
    if (spec.dtype === "image") tensors.set(name, await imageTensor(value, path));
    else if (isTensor(value)) tensors.set(name, value);
    else if (ArrayBuffer.isView(value) && !(value instanceof Uint8Array)) tensors.set(name, vectorOf(value));
    else tensors.set(name, tensorFromJson(value, spec, path));
  }
  return tensors;
}

/** A tensor whose elements are held as a typed array; in JSON form they are a list, which is checked first. */
const isTensor = (value: InferInput): value is Tensor =>
  typeof value === "object" && "dtype" in value && "data" in value && ArrayBuffer.isView(value.data);

async function imageTensor(value: InferInput, path: string): Promise<ImageTensor> {
  const items = Array.isArray(value) ? value : [value];
  const data: Uint8Array[] = [];
  for (const [index, item] of items.entries()) {
    if (item instanceof Uint8Array) data.push(item);
    else if (typeof item === "string") data.push(await readImage(item));
    else
      throw problem("tensor-invalid", `${path}[${index}] must be the bytes of an image, or a file's path.`);
  }
  return { dtype: "image", shape: [data.length], data };
}

const readImage = (path: string): Promise<Uint8Array> =>
  readFile(path).catch((cause: unknown) => {
    throw new LocalFileError(`The image ${path} can't be read.`, cause);
  });
