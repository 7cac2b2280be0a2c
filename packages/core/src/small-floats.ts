import type { Dtype } from "./dtype.ts";

/**
 * Floats of 4 and 8 bits as numbers. Source: ONNX's "Float stored in 8 bits" and the OCP Microscaling
 * formats, which give exponent and mantissa widths, biases, and which codes are NaN or infinite.
 */
export type SmallFloat = Extract<Dtype, `float8${string}` | `float4${string}`>;

interface Layout {
  exponent: number;
  mantissa: number;
  bias: number;
  /** Codes (sign bit off) that are no finite number. */
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

const tables = new Map<SmallFloat, number[]>();

/** The number that each code of a format stands for; the index is the code. */
export function smallFloatTable(dtype: SmallFloat): readonly number[] {
  let table = tables.get(dtype);
  if (!table) {
    const { exponent, mantissa, bias, signed, special } = LAYOUTS[dtype];
    table = Array.from({ length: 2 ** (exponent + mantissa + (signed ? 1 : 0)) }, (_, code) => {
      const known = special(code);
      if (known !== undefined) return known;
      const sign = signed && code >> (exponent + mantissa) ? -1 : 1;
      const power = (code >> mantissa) & (2 ** exponent - 1);
      const fraction = (code & (2 ** mantissa - 1)) / 2 ** mantissa;
      return sign * (power === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (power - bias));
    });
    tables.set(dtype, table);
  }
  return table;
}

/** The code of the nearest number, ties to the even code; undefined where the format can't hold it. */
export function smallFloatCode(dtype: SmallFloat, value: number): number | undefined {
  const table = smallFloatTable(dtype);
  const exact = table.findIndex((entry) => Object.is(entry, value));
  if (exact >= 0) return exact;
  if (!Number.isFinite(value)) return undefined;
  let best = -1;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const [code, entry] of table.entries()) {
    if (!Number.isFinite(entry)) continue;
    const distance = Math.abs(entry - value);
    if (distance < bestDistance || (distance === bestDistance && code % 2 === 0)) {
      best = code;
      bestDistance = distance;
    }
  }
  const largest = Math.max(...table.filter(Number.isFinite));
  return Math.abs(value) > largest ? undefined : best;
}
