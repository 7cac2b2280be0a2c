import { unpackBits } from "./bit-packing.ts";
import { DTYPES, type Dtype } from "./dtype.ts";
import { float32Json } from "./float-text.ts";
import { problem } from "./problem.ts";
import { bfloat16ToNumber, smallFloatTable } from "./small-floats.ts";
import { elementCount, type Tensor } from "./tensor.ts";

/** A tensor as JSON: flat and row-major. */
export interface JsonTensor {
  dtype: Dtype;
  shape: number[];
  data: (number | string | boolean)[];
}

/**
 * A tensor in JSON form, which `JSON.stringify` takes. 64-bit integers beyond 2^53 are decimal strings,
 * non-finite floats the strings "NaN", "Infinity" and "-Infinity", floats of 16, 8 and 4 bits plain numbers.
 * `tensorFromJson` gives the same tensor back; only the sign of a zero and the payload of a NaN, for which
 * JSON has no spelling, need the binary form. Throws `dtype-unsupported` for complex ones.
 */
export function tensorToJson(tensor: Tensor): JsonTensor {
  return { dtype: tensor.dtype, shape: tensor.shape, data: jsonElements(tensor) };
}

/** The text of a tensor's JSON form. Numbers of float32 are spelled in few digits (`float32Json`). Throws as `tensorToJson`. */
export function tensorJsonText(tensor: Tensor): string {
  if (tensor.dtype !== "float32") return JSON.stringify(tensorToJson(tensor));
  return `{"dtype":"float32","shape":${JSON.stringify(tensor.shape)},"data":${float32Json(tensor.data)}}`;
}

function jsonElements(tensor: Tensor): JsonTensor["data"] {
  switch (tensor.dtype) {
    case "string":
      return tensor.data;
    case "bool":
      return Array.from(tensor.data, (value) => value !== 0);
    case "int64":
      return Array.from(tensor.data, jsonInteger);
    case "uint64":
      return Array.from(tensor.data, jsonInteger);
    case "float32":
    case "float64":
      return areFinite(tensor.data) ? Array.from(tensor.data) : Array.from(tensor.data, jsonNumber);
    case "float16": {
      const { buffer, byteOffset, length } = tensor.data;
      return Array.from(new Float16Array(buffer, byteOffset, length), jsonNumber);
    }
    case "bfloat16":
      return Array.from(tensor.data, (bits) => jsonNumber(bfloat16ToNumber(bits)));
    case "complex64":
    case "complex128":
      throw problem("dtype-unsupported", "Complex tensors have no JSON form.");
    case "uint4":
    case "uint2":
      return codesOf(tensor);
    case "int4":
    case "int2": {
      const half = 2 ** (DTYPES[tensor.dtype].bits - 1);
      return codesOf(tensor).map((code) => (code >= half ? code - 2 * half : code));
    }
    case "float4e2m1": {
      const table = smallFloatTable(tensor.dtype);
      return codesOf(tensor).map((code) => table[code]!);
    }
    case "float8e4m3fn":
    case "float8e4m3fnuz":
    case "float8e5m2":
    case "float8e5m2fnuz":
    case "float8e8m0": {
      const table = smallFloatTable(tensor.dtype);
      return Array.from(tensor.data, (code) => jsonNumber(table[code]!));
    }
    default:
      return Array.from(tensor.data);
  }
}

const codesOf = (tensor: { dtype: Dtype; shape: number[]; data: Uint8Array }): number[] =>
  unpackBits(tensor.data, elementCount(tensor.shape), DTYPES[tensor.dtype].bits);

/** Whether all are finite; told by their sum times zero, which takes a tenth of looking at each. */
function areFinite(data: Float32Array | Float64Array): boolean {
  let sum = 0;
  for (const value of data) sum += value * 0;
  return sum === 0;
}

const jsonNumber = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

function jsonInteger(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}
