/**
 * Elements of less than a byte (4 or 2 bits) in bytes, low bits first, the last byte filled up with zeros:
 * as in `TensorProto.raw_data`.
 */
export function packBits(codes: ArrayLike<number>, bits: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((codes.length * bits) / 8));
  for (let index = 0; index < codes.length; index++) {
    const bit = index * bits;
    bytes[Math.floor(bit / 8)]! |= codes[index]! << (bit % 8);
  }
  return bytes;
}

/** The first `count` elements of `bits` bits each, unsigned. */
export function unpackBits(bytes: Uint8Array, count: number, bits: number): number[] {
  const mask = 2 ** bits - 1;
  const codes = new Array<number>(count);
  for (let index = 0; index < count; index++) {
    const bit = index * bits;
    codes[index] = (bytes[Math.floor(bit / 8)]! >> (bit % 8)) & mask;
  }
  return codes;
}
