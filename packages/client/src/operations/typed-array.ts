import type { Tensor } from "@modulehub/core";

export type TypedArray =
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

/** A tensor of one dimension that shares a typed array's memory. */
export function vectorOf(data: TypedArray): Tensor {
  const shape = [data.length];
  if (data instanceof Float32Array) return { dtype: "float32", shape, data };
  if (data instanceof Float64Array) return { dtype: "float64", shape, data };
  if (data instanceof Int8Array) return { dtype: "int8", shape, data };
  if (data instanceof Int16Array) return { dtype: "int16", shape, data };
  if (data instanceof Int32Array) return { dtype: "int32", shape, data };
  if (data instanceof BigInt64Array) return { dtype: "int64", shape, data };
  if (data instanceof Uint16Array) return { dtype: "uint16", shape, data };
  if (data instanceof Uint32Array) return { dtype: "uint32", shape, data };
  if (data instanceof BigUint64Array) return { dtype: "uint64", shape, data };
  // The last one, unnamed: not every browser, and no Node before 24, knows Float16Array.
  return { dtype: "float16", shape, data: new Uint16Array(data.buffer, data.byteOffset, data.length) };
}
