/**
 * Element types of tensors, in ONNX Runtime's spelling. Source of the codes: `TensorProto.DataType` in
 * onnx.proto (IR 14); of the Open Inference Protocol's names: KServe's "Tensor Data Types", and Triton for BF16.
 * The protocol has no names for floats of 8 and 4 bits and integers of 4 and 2: those here are ours, after the
 * same pattern, so that their bits can travel too.
 */

export interface DtypeFacts {
  /** The number in `TensorProto.DataType`. */
  readonly code: number;
  /** Bits an element takes in raw little-endian form; 0 for strings, whose elements carry their length. */
  readonly bits: number;
  /** The name in the Open Inference Protocol's form; null for complex numbers, which are refused there. */
  readonly wire: string | null;
  /**
   * Whether onnxruntime-node can take and give tensors of this type. The others exist inside graphs only:
   * as an input or output they make session creation fail, or abort the process (4-bit outputs do).
   */
  readonly feedable: boolean;
}

/** Every element type of ONNX. */
export const DTYPES = {
  float32: { code: 1, bits: 32, wire: "FP32", feedable: true },
  uint8: { code: 2, bits: 8, wire: "UINT8", feedable: true },
  int8: { code: 3, bits: 8, wire: "INT8", feedable: true },
  uint16: { code: 4, bits: 16, wire: "UINT16", feedable: true },
  int16: { code: 5, bits: 16, wire: "INT16", feedable: true },
  int32: { code: 6, bits: 32, wire: "INT32", feedable: true },
  int64: { code: 7, bits: 64, wire: "INT64", feedable: true },
  string: { code: 8, bits: 0, wire: "BYTES", feedable: true },
  bool: { code: 9, bits: 8, wire: "BOOL", feedable: true },
  float16: { code: 10, bits: 16, wire: "FP16", feedable: true },
  float64: { code: 11, bits: 64, wire: "FP64", feedable: true },
  uint32: { code: 12, bits: 32, wire: "UINT32", feedable: true },
  uint64: { code: 13, bits: 64, wire: "UINT64", feedable: true },
  complex64: { code: 14, bits: 64, wire: null, feedable: false },
  complex128: { code: 15, bits: 128, wire: null, feedable: false },
  bfloat16: { code: 16, bits: 16, wire: "BF16", feedable: false },
  float8e4m3fn: { code: 17, bits: 8, wire: "FP8E4M3FN", feedable: false },
  float8e4m3fnuz: { code: 18, bits: 8, wire: "FP8E4M3FNUZ", feedable: false },
  float8e5m2: { code: 19, bits: 8, wire: "FP8E5M2", feedable: false },
  float8e5m2fnuz: { code: 20, bits: 8, wire: "FP8E5M2FNUZ", feedable: false },
  uint4: { code: 21, bits: 4, wire: "UINT4", feedable: false },
  int4: { code: 22, bits: 4, wire: "INT4", feedable: false },
  float4e2m1: { code: 23, bits: 4, wire: "FP4E2M1", feedable: false },
  float8e8m0: { code: 24, bits: 8, wire: "FP8E8M0", feedable: false },
  uint2: { code: 25, bits: 2, wire: "UINT2", feedable: false },
  int2: { code: 26, bits: 2, wire: "INT2", feedable: false },
} as const satisfies Record<string, DtypeFacts>;

/** A tensor's element type, e.g. `float32`. */
export type Dtype = keyof typeof DTYPES;

/** Their names, in the order of the codes. */
export const DTYPE_NAMES = Object.keys(DTYPES) as [Dtype, ...Dtype[]];

const BY_CODE = new Map<number, Dtype>(DTYPE_NAMES.map((name) => [DTYPES[name].code, name]));
const BY_WIRE = new Map<string, Dtype>(
  DTYPE_NAMES.flatMap((name) => (DTYPES[name].wire ? [[DTYPES[name].wire, name] as const] : [])),
);

/** The dtype of a `TensorProto.DataType` number; undefined for 0 and numbers newer than this table. */
export const dtypeOfCode = (code: number): Dtype | undefined => BY_CODE.get(code);

/** The dtype of an Open Inference Protocol name such as `FP32`. */
export const dtypeOfWire = (wire: string): Dtype | undefined => BY_WIRE.get(wire);
