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

/** Encoded images, an element each: the pseudo-dtype `image`. */
export interface ImageTensor {
  dtype: "image";
  shape: number[];
  data: Uint8Array[];
}

/** What an input of a signature may be given. */
export type InputTensor = Tensor | ImageTensor;

type NumericData = Exclude<Tensor["data"], string[]>;

interface NumericConstructor {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): NumericData;
  readonly BYTES_PER_ELEMENT: number;
}

const CONSTRUCTORS: Record<Exclude<Dtype, "string">, NumericConstructor> = {
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

/**
 * Number of elements of a shape; 1 for a scalar, 0 where any dimension is 0. Throws `tensor-invalid` where a
 * dimension is no integer from 0 up, or the number exceeds safe integers.
 */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0)
      throw problem("tensor-invalid", `A shape holds ${dimension}; dimensions are integers from 0 up.`);
    count *= dimension;
  }
  if (shape.includes(0)) return 0;
  if (!Number.isSafeInteger(count)) throw problem("tensor-invalid", "The shape has too many elements.");
  return count;
}

/** Bytes of `count` elements in raw form; elements of less than a byte are packed. Not for strings. */
export function byteLength(dtype: Exclude<Dtype, "string">, count: number): number {
  return Math.ceil((count * DTYPES[dtype].bits) / 8);
}

/**
 * A tensor over little-endian bytes, sharing their memory where they are aligned. Throws `tensor-invalid`
 * where their number does not fit the shape, or a byte of a bool is neither 0 nor 1. `path` names the tensor
 * in errors.
 */
export function tensorFromBytes(
  dtype: Exclude<Dtype, "string">,
  shape: number[],
  bytes: Uint8Array,
  path = "The tensor",
): Tensor {
  const expected = byteLength(dtype, elementCount(shape));
  if (bytes.byteLength !== expected)
    throw problem(
      "tensor-invalid",
      `${path} has ${bytes.byteLength} bytes, but ${dtype} of shape [${shape}] takes ${expected}.`,
    );
  if (dtype === "bool" && bytes.some((byte) => byte > 1))
    throw problem("tensor-invalid", `${path} is bool, whose bytes must be 0 or 1.`);
  const Constructor = CONSTRUCTORS[dtype];
  const size = Constructor.BYTES_PER_ELEMENT;
  // Not `bytes.slice()`: a Buffer's shares its memory, and so its alignment.
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const data = new Constructor(aligned.buffer, aligned.byteOffset, expected / size);
  // The table of constructors is TensorStorage's other face; TypeScript can't follow that through a union.
  return { dtype, shape, data } as Tensor;
}

/** The raw little-endian bytes of a tensor that isn't of strings, sharing its memory. */
export function tensorBytes(tensor: Exclude<Tensor, { dtype: "string" }>): Uint8Array {
  const { buffer, byteOffset, byteLength: length } = tensor.data;
  return new Uint8Array(buffer, byteOffset, length);
}

/** The bytes of any tensor: little-endian elements; a string is a u32 length and that many bytes of UTF-8. */
export function binaryBytes(tensor: Tensor): Uint8Array {
  if (tensor.dtype !== "string") return tensorBytes(tensor);
  const encoder = new TextEncoder();
  const elements = tensor.data.map((text) => encoder.encode(text));
  const bytes = new Uint8Array(elements.reduce((sum, element) => sum + 4 + element.byteLength, 0));
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const element of elements) {
    view.setUint32(offset, element.byteLength, true);
    bytes.set(element, offset + 4);
    offset += 4 + element.byteLength;
  }
  return bytes;
}

/** A tensor of zeros (empty strings for `string`). */
export function zeros(dtype: Dtype, shape: number[]): Tensor {
  const count = elementCount(shape);
  if (dtype === "string") return { dtype, shape, data: new Array<string>(count).fill("") };
  return tensorFromBytes(dtype, shape, new Uint8Array(byteLength(dtype, count)));
}
