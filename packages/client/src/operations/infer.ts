import { DTYPE_NAMES, digestSchema, type JsonTensor, type Tensor, tensorToJson } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import { type Image, imageToJson } from "./image.ts";
import { operationPath } from "./module-path.ts";

type TypedArray =
  | Float32Array
  | Float64Array
  | Float16Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

type Nested = number | string | boolean | Image | Nested[];

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

const answer = z.looseObject({
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
export type InferAnswer = z.infer<typeof answer>;

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
  return transport.call("POST", operationPath(handle, "infer"), answer, { body, retry: "safe", signal });
}

function inputToJson(input: InferInput): unknown {
  if (input instanceof Uint8Array) return [imageToJson(input)];
  if (Array.isArray(input)) return nestedToJson(input);
  if (typeof input !== "object") return input;
  if ("dtype" in input) return isTensor(input) ? tensorToJson(input) : input;
  return tensorToJson(vector(input));
}

const nestedToJson = (value: Nested): unknown =>
  Array.isArray(value) ? value.map(nestedToJson) : value instanceof Uint8Array ? imageToJson(value) : value;

const isTensor = (value: JsonTensor | Tensor): value is Tensor =>
  !Array.isArray(value.data) || value.dtype === "string";

function vector(data: TypedArray): Tensor {
  const shape = [data.length];
  if (data instanceof Float32Array) return { dtype: "float32", shape, data };
  if (data instanceof Float64Array) return { dtype: "float64", shape, data };
  if (data instanceof Float16Array)
    return { dtype: "float16", shape, data: new Uint16Array(data.buffer, data.byteOffset, data.length) };
  if (data instanceof Int8Array) return { dtype: "int8", shape, data };
  if (data instanceof Int16Array) return { dtype: "int16", shape, data };
  if (data instanceof Int32Array) return { dtype: "int32", shape, data };
  if (data instanceof BigInt64Array) return { dtype: "int64", shape, data };
  if (data instanceof Uint16Array) return { dtype: "uint16", shape, data };
  if (data instanceof Uint32Array) return { dtype: "uint32", shape, data };
  return { dtype: "uint64", shape, data };
}
