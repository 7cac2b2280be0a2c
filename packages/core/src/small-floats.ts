import type { Dtype } from "./dtype.ts";

/**
 * Floats of 4 and 8 bits as numbers, and bfloat16. Source: ONNX's "Float stored in 8 bits" and the OCP
 * Microscaling formats, which give exponent and mantissa widths, biases, and which codes are NaN or infinite.
 */
export type SmallFloat = Extract<Dtype, `float8${string}` | `float4${string}`>;

interface Layout {
  exponent: number;
  mantissa: number;
  bias: number;
  /** Codes that the general rule does not give: NaN, infinities, and a format that has no zero. */
  special: (code: number) => number | undefined;
  signed: boolean;
}

const negativeZeroIsNan = (code: number) => (code === 0x80 ? Number.NaN : undefined);

const LAYOUTS: Record<SmallFloat, Layout> = {
  float8e4m3fn: {
    exponent: 4,
    mantissa: 3,
    bias: 7,
    signed: true,
    special: (code) => ((code & 0x7f) === 0x7f ? Number.NaN : undefined),
  },
  float8e4m3fnuz: { exponent: 4, mantissa: 3, bias: 8, signed: true, special: negativeZeroIsNan },
  float8e5m2: {
    exponent: 5,
    mantissa: 2,
    bias: 15,
    signed: true,
    special: (code) => {
      const rest = code & 0x7f;
      if (rest === 0x7c) return code & 0x80 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
      return rest > 0x7c ? Number.NaN : undefined;
    },
  },
  float8e5m2fnuz: { exponent: 5, mantissa: 2, bias: 16, signed: true, special: negativeZeroIsNan },
  float8e8m0: {
    exponent: 8,
    mantissa: 0,
    bias: 127,
    signed: false,
    special: (code) => (code === 0xff ? Number.NaN : 2 ** (code - 127)),
  },
  float4e2m1: { exponent: 2, mantissa: 1, bias: 1, signed: true, special: () => undefined },
};

interface Table {
  /** The number of every code. */
  values: readonly number[];
  /** The finite numbers without a sign, ascending; the index is the code in every one of these formats. */
  magnitudes: readonly number[];
  /** Code of the quiet NaN, and of the infinities, where the format has them. */
  nan: number | undefined;
  infinity: number | undefined;
}

const tables = new Map<SmallFloat, Table>();

function tableOf(dtype: SmallFloat): Table {
  let table = tables.get(dtype);
  if (!table) {
    const { exponent, mantissa, bias, signed, special } = LAYOUTS[dtype];
    const values = Array.from({ length: 2 ** (exponent + mantissa + (signed ? 1 : 0)) }, (_, code) => {
      const known = special(code);
      if (known !== undefined) return known;
      const sign = signed && code >> (exponent + mantissa) ? -1 : 1;
      const power = (code >> mantissa) & (2 ** exponent - 1);
      const fraction = (code & (2 ** mantissa - 1)) / 2 ** mantissa;
      return sign * (power === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (power - bias));
    });
    const at = (wanted: number) => {
      const code = values.findIndex((value) => Object.is(value, wanted));
      return code < 0 ? undefined : code;
    };
    const unsigned = signed ? values.slice(0, values.length / 2) : values;
    table = {
      values,
      magnitudes: unsigned.filter(Number.isFinite),
      nan: dtype === "float8e5m2" ? 0x7e : at(Number.NaN),
      infinity: at(Number.POSITIVE_INFINITY),
    };
    tables.set(dtype, table);
  }
  return table;
}

/** The number that each code of a format stands for; the index is the code. */
export function smallFloatTable(dtype: SmallFloat): readonly number[] {
  return tableOf(dtype).values;
}

/**
 * The code of the nearest number; ties go to the even code, in `float8e8m0` up (as ONNX's Cast). Undefined where the format can't hold it: beyond its
 * largest number, a NaN or infinity that it lacks, zero and negative numbers in `float8e8m0`.
 */
export function smallFloatCode(dtype: SmallFloat, value: number): number | undefined {
  const { values, magnitudes, nan, infinity } = tableOf(dtype);
  if (Number.isNaN(value)) return nan;
  const negative = value < 0 || Object.is(value, -0);
  const size = Math.abs(value);
  const { signed } = LAYOUTS[dtype];
  if (negative && !signed) return undefined;
  const sign = negative ? values.length / 2 : 0;
  if (size === Number.POSITIVE_INFINITY) return infinity === undefined ? undefined : infinity | sign;
  if (size < magnitudes[0]! || size > magnitudes.at(-1)!) return undefined;
  let low = 0;
  let high = magnitudes.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (magnitudes[middle]! <= size) low = middle;
    else high = middle;
  }
  const below = size - magnitudes[low]!;
  const above = magnitudes[high]! - size;
  const tieGoesDown = LAYOUTS[dtype].mantissa > 0 && low % 2 === 0;
  const code = below < above || (below === above && tieGoesDown) ? low : high;
  // The formats without a negative zero keep NaN in its place.
  return code === 0 && Number.isNaN(values[sign]!) ? 0 : code | sign;
}

const word = new Uint32Array(1);
const wordAsFloat = new Float32Array(word.buffer);

/** The number that the 16 bits of a bfloat16 stand for. */
export function bfloat16ToNumber(bits: number): number {
  word[0] = bits << 16;
  return wordAsFloat[0]!;
}

/** The 16 bits of the nearest bfloat16: the upper half of the float32, ties to even. NaN stays NaN. */
export function bfloat16FromNumber(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  wordAsFloat[0] = value;
  const bits = word[0]!;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}
