import { DTYPES, type Dtype } from "./dtype.ts";
import { problem } from "./problem.ts";

/**
 * How elements of each dtype are held: as ONNX Runtime's bindings hold them. 16-bit floats are bit patterns
 * in a Uint16Array, bool is a Uint8Array of 0 and 1, 64-bit integers are bigint arrays. Elements of less
 * than a byte are packed, low bits first (as in `TensorProto.raw_data`), and 8-bit floats are bit patterns,
 * in a Uint8Array.
 */
export interface TensorStorage {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
  bool: Uint8Array;
  string: string[];
  complex64: Float32Array;
  complex128: Float64Array;
  float8e4m3fn: Uint8Array;
  float8e4m3fnuz: Uint8Array;
  float8e5m2: Uint8Array;
  float8e5m2fnuz: Uint8Array;
  float8e8m0: Uint8Array;
  float4e2m1: Uint8Array;
  uint4: Uint8Array;
  int4: Uint8Array;
  uint2: Uint8Array;
  int2: Uint8Array;
}

/** A dense tensor, row-major: `data` holds the product of `shape` elements. A scalar has shape `[]`. */
export type Tensor = { [D in Dtype]: { dtype: D; shape: number[]; data: TensorStorage[D] } }[Dtype];

/** A tensor of one known dtype. */
export type TensorOf<D extends Dtype> = Extract<Tensor, { dtype: D }>;

type NumericData = Exclude<Tensor["data"], string[]>;

const CONSTRUCTORS: Record<Exclude<Dtype, "string">, new (buffer: ArrayBuffer) => NumericData> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
  complex64: Float32Array,
  complex128: Float64Array,
  float8e4m3fn: Uint8Array,
  float8e4m3fnuz: Uint8Array,
  float8e5m2: Uint8Array,
  float8e5m2fnuz: Uint8Array,
  float8e8m0: Uint8Array,
  float4e2m1: Uint8Array,
  uint4: Uint8Array,
  int4: Uint8Array,
  uint2: Uint8Array,
  int2: Uint8Array,
};

/** Number of elements of a shape; 1 for a scalar. Throws `tensor-invalid` where it exceeds safe integers. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0)
      throw problem("tensor-invalid", `A shape holds ${dimension}; dimensions are integers from 0 up.`);
    count *= dimension;
    if (!Number.isSafeInteger(count)) throw problem("tensor-invalid", "The shape has too many elements.");
  }
  return count;
}

/** Bytes of `count` elements in raw form; elements of less than a byte are packed. Not for strings. */
export function byteLength(dtype: Exclude<Dtype, "string">, count: number): number {
  return Math.ceil((count * DTYPES[dtype].bits) / 8);
}

/**
 * A tensor over little-endian bytes, without copying where they are aligned. The length must fit the shape
 * (checked): a tensor can't be made that reads past its buffer.
 */
export function tensorFromBytes(dtype: Exclude<Dtype, "string">, shape: number[], bytes: Uint8Array): Tensor {
  const expected = byteLength(dtype, elementCount(shape));
  if (bytes.byteLength !== expected)
    throw problem(
      "tensor-invalid",
      `A ${dtype} tensor of shape [${shape}] takes ${expected} bytes, not ${bytes.byteLength}.`,
    );
  const Constructor = CONSTRUCTORS[dtype] as unknown as {
    new (buffer: ArrayBufferLike, offset: number, length: number): NumericData;
    BYTES_PER_ELEMENT: number;
  };
  const size = Constructor.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const data = new Constructor(aligned.buffer, aligned.byteOffset, expected / size);
  return { dtype, shape, data } as Tensor;
}

/** The raw little-endian bytes of a tensor that isn't of strings, sharing its memory. */
export function tensorBytes(tensor: Exclude<Tensor, { dtype: "string" }>): Uint8Array {
  const { buffer, byteOffset, byteLength: length } = tensor.data;
  return new Uint8Array(buffer, byteOffset, length);
}

/** A tensor of zeros (empty strings for `string`). */
export function zeros(dtype: Dtype, shape: number[]): Tensor {
  const count = elementCount(shape);
  if (dtype === "string") return { dtype, shape, data: new Array<string>(count).fill("") };
  return tensorFromBytes(dtype, shape, new Uint8Array(byteLength(dtype, count)));
}
