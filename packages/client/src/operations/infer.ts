import { DTYPE_NAMES, digestSchema, type JsonTensor, type Tensor, tensorToJson } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import { type Image, imageToJson } from "./image.ts";
import { operationPath } from "./module-path.ts";
import { type TypedArray, vectorOf } from "./typed-array.ts";

export type Nested = number | string | boolean | Image | Nested[];

/**
 * What an input may be given: nested arrays, a tensor in JSON form, a typed array (one dimension), or a tensor
 * with its shape. A Uint8Array is an encoded image; for numbers of that type give a tensor.
 */
export type InferInput = Nested | JsonTensor | Tensor | TypedArray;

export interface InferOptions {
  /** Default: the signature called `default`. */
  signature?: string;
  /** Which outputs are wanted. Default: all. */
  outputs?: string[];
  signal?: AbortSignal;
}

/** An answer of `POST …/infer`. */
export const inferAnswer = z.looseObject({
  module: z.string(),
  version: z.int(),
  digest: digestSchema,
  outputs: z.record(
    z.string(),
    z.object({
      dtype: z.enum(DTYPE_NAMES),
      shape: z.array(z.int()),
      data: z.array(z.union([z.number(), z.string(), z.boolean()])),
    }),
  ),
  truncated: z.array(z.object({ input: z.string(), item: z.int(), kept: z.int(), of: z.int() })).optional(),
});

/** Outputs in JSON form, flat and row-major, and which inputs were cut. */
export type InferAnswer = z.infer<typeof inferAnswer>;

/** Runs a module on the hub. A run has no side effects, so it is tried again where the connection broke. */
export async function infer(
  transport: Transport,
  handle: string,
  inputs: Record<string, InferInput>,
  options: InferOptions = {},
): Promise<InferAnswer> {
  const { signature, outputs, signal } = options;
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [name, inputToJson(value)]),
  );
  const body = { signature, inputs: tensors, outputs };
  const path = operationPath(handle, "infer");
  const answer = await transport.call("POST", path, inferAnswer, { body, retry: "safe", signal });
  for (const output of Object.values(answer.outputs))
    if (output.dtype === "float32") output.data = output.data.map(exact);
  return answer;
}

/** A float32 that was spelled in few digits, as the very number that the module gave. */
const exact = (value: number | string | boolean) => (typeof value === "number" ? Math.fround(value) : value);

function inputToJson(input: InferInput): unknown {
  if (input instanceof Uint8Array) return [imageToJson(input)];
  if (Array.isArray(input)) return nestedToJson(input);
  if (typeof input !== "object") return input;
  if ("dtype" in input) return isTensor(input) ? tensorToJson(input) : input;
  return tensorToJson(vectorOf(input));
}

const nestedToJson = (value: Nested): unknown =>
  Array.isArray(value) ? value.map(nestedToJson) : value instanceof Uint8Array ? imageToJson(value) : value;

const isTensor = (value: JsonTensor | Tensor): value is Tensor =>
  !Array.isArray(value.data) || value.dtype === "string";
