/*
 * In packages this stands for the global Float16Array, which Node has since version 24 and browsers since 2025. Where
 * there is none: an array that converts as it is read and written, with as much of its interface as is used. Slow,
 * and only used for tensors of that type.
 */

/** What `new Float16Array(…)` gives, in its three forms. Bits in a buffer are shared, as there. */
export function ConvertingFloat16Array(
  source: number | ArrayBufferLike | Iterable<number>,
  byteOffset?: number,
  length?: number,
): Uint16Array {
  if (typeof source === "number") return asNumbers(new Uint16Array(source));
  if (Symbol.iterator in source) return asNumbers(Uint16Array.from(source, float16Bits));
  return asNumbers(new Uint16Array(source, byteOffset, length));
}

function asNumbers(bits: Uint16Array): Uint16Array {
  return new Proxy(bits, {
    get(_, key) {
      if (isIndex(key)) return float16Number(bits[Number(key)]);
      switch (key) {
        case "length":
        case "buffer":
        case "byteOffset":
        case "byteLength":
          return bits[key];
        case "keys":
          return () => bits.keys();
        case "subarray":
          return (begin?: number, end?: number) => asNumbers(bits.subarray(begin, end));
        case Symbol.iterator:
          return () => numbersOf(bits);
        default:
          // Of the array of bits it would be wrong; missing, it is noticed.
          return undefined;
      }
    },
    set(_, key, value) {
      if (!isIndex(key)) return false;
      bits[Number(key)] = float16Bits(Number(value));
      return true;
    },
  });
}

const isIndex = (key: string | symbol): boolean => typeof key === "string" && /^\d+$/.test(key);

function* numbersOf(bits: Uint16Array): Generator<number | undefined> {
  for (const each of bits) yield float16Number(each);
}

/** The number of IEEE 754 binary16 bits; undefined of undefined. */
export function float16Number(bits: number | undefined): number | undefined {
  if (bits === undefined) return undefined;
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The nearest binary16 bits of a number, ties to even. */
export function float16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | roundToEven(size * 2 ** 24);
  let exponent = Math.floor(Math.log2(size));
  // The logarithm is rounded, so it may name the next power.
  if (2 ** exponent > size) exponent -= 1;
  else if (2 ** (exponent + 1) <= size) exponent += 1;
  // Rounding up to the next power carries into the exponent, as it should.
  return sign | (((exponent + 15) << 10) + roundToEven((size / 2 ** exponent - 1) * 1024));
}

function roundToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}

const native: unknown = Reflect.get(globalThis, "Float16Array");
const Float16ArrayOrStandIn: unknown = native ?? ConvertingFloat16Array;

export { Float16ArrayOrStandIn as Float16Array };
