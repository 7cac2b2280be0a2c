import { problem } from "@modulehub/core/problem";
import type { ByteSource, Lazy } from "./byte-source.ts";

/** Protobuf's wire types; 3 and 4 are groups, which ONNX never had. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const SMALLEST_WINDOW = 1 << 12;
const LARGEST_WINDOW = 1 << 16;

/** The complaint about bytes that are not protobuf, or not all of it. */
export const notOnnx = (why: string) =>
  problem("not-onnx", `The bytes are damaged, cut off or of another format: ${why}.`);

/**
 * Reads protobuf from a source through a small window. Skipping costs nothing, so that tensor bytes are never
 * touched; the window starts small after a skip and grows while reading goes on.
 */
export class WireReader {
  readonly source: ByteSource;
  /** Where the next byte comes from. */
  position: number;
  #window: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #start = 0;
  #size = SMALLEST_WINDOW;

  constructor(source: ByteSource, position = 0) {
    this.source = source;
    this.position = position;
  }

  /** A varint as two halves of 32 bits: in `low` and the return value. */
  low = 0;
  #varint(end: number): number {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.position >= end) throw notOnnx("a number runs over the end of its message");
      const at = this.#ensure(1);
      const byte = this.#window[at] ?? 0;
      this.position += 1;
      if (shift < 28) low |= (byte & 0x7f) << shift;
      else if (shift === 28) {
        low |= (byte & 0x0f) << 28;
        high = (byte & 0x7f) >> 4;
      } else if (shift < 63) high |= (byte & 0x7f) << (shift - 32);
      else high |= (byte & 1) << 31;
      if (byte < 0x80) {
        this.low = low >>> 0;
        return high >>> 0;
      }
    }
    throw notOnnx("a number has more than ten bytes");
  }

  /** A tag, which fits 32 bits, as protobuf demands. */
  tag(end: number): number {
    if (this.#varint(end) !== 0 || this.low < 8) throw notOnnx("a field has no valid number");
    return this.low;
  }

  /** The length of a field, which must not leave the message it is in. */
  length(end: number): number {
    const high = this.#varint(end);
    const length = high * 2 ** 32 + this.low;
    if (length > end - this.position) throw notOnnx("a field is longer than the message it is in");
    return length;
  }

  int32(end: number): number {
    this.#varint(end);
    return this.low | 0;
  }

  int64(end: number): bigint {
    return BigInt.asIntN(64, this.uint64(end));
  }

  uint64(end: number): bigint {
    const high = this.#varint(end);
    return high === 0 ? BigInt(this.low) : (BigInt(high) << 32n) | BigInt(this.low);
  }

  float(end: number): number {
    const at = this.#fixed(4, end);
    return this.#view.getFloat32(at, true);
  }

  double(end: number): number {
    const at = this.#fixed(8, end);
    return this.#view.getFloat64(at, true);
  }

  /** Moves on without reading. */
  skip(length: number, end: number): void {
    if (length > end - this.position) throw notOnnx("a field is longer than the message it is in");
    this.position += length;
  }

  /** Moves over the value of a field of any wire type. */
  skipValue(wire: number, end: number): void {
    if (wire === WIRE.varint) this.#varint(end);
    else if (wire === WIRE.fixed64) this.skip(8, end);
    else if (wire === WIRE.bytes) this.skip(this.length(end), end);
    else if (wire === WIRE.fixed32) this.skip(4, end);
    else throw notOnnx("a field has a wire type that ONNX does not use");
  }

  /** A copy of the bytes ahead; the caller has bounded `length`. */
  bytes(length: number): Uint8Array {
    if (length > LARGEST_WINDOW) {
      const bytes = this.source.read(this.position, length).slice();
      this.position += length;
      return bytes;
    }
    const at = this.#ensure(length);
    this.position += length;
    return this.#window.slice(at, at + length);
  }

  /** A view of the bytes ahead, good until the next read. */
  peek(length: number): Uint8Array {
    if (length > LARGEST_WINDOW) return this.source.read(this.position, length);
    const at = this.#ensure(length);
    return this.#window.subarray(at, at + length);
  }

  #fixed(length: number, end: number): number {
    if (length > end - this.position) throw notOnnx("a number runs over the end of its message");
    const at = this.#ensure(length);
    this.position += length;
    return at;
  }

  /** Makes the window hold the bytes ahead and gives the place of the first in it. */
  #ensure(length: number): number {
    const at = this.position - this.#start;
    if (at >= 0 && at + length <= this.#window.byteLength) return at;
    const follows = at >= 0 && at <= this.#window.byteLength;
    this.#size = follows ? Math.min(this.#size * 2, LARGEST_WINDOW) : SMALLEST_WINDOW;
    const size = Math.min(Math.max(this.#size, length), this.source.size - this.position);
    this.#window = this.source.read(this.position, Math.max(size, length));
    this.#view = new DataView(this.#window.buffer, this.#window.byteOffset, this.#window.byteLength);
    this.#start = this.position;
    return 0;
  }
}

/** Number of bytes of a varint given as halves of 32 bits. */
export function varintSize(low: number, high: number): number {
  const bits = high === 0 ? 32 - Math.clz32(low) : 64 - Math.clz32(high);
  return bits === 0 ? 1 : Math.ceil(bits / 7);
}

/** Pieces below this are copied into the running buffer, larger ones are passed on as they are. */
const INLINE_LIMIT = 4096;
const BUFFER_SIZE = 1 << 16;

/** Collects protobuf as a list of pieces, of which those that are references stay references. */
export class WireWriter {
  readonly #pieces: Lazy[] = [];
  #buffer = new Uint8Array(BUFFER_SIZE);
  #view = new DataView(this.#buffer.buffer);
  #from = 0;
  #at = 0;

  varint(low: number, high = 0): void {
    this.#room(10);
    let l = low >>> 0;
    let h = high >>> 0;
    while (h !== 0 || l > 0x7f) {
      this.#buffer[this.#at++] = (l & 0x7f) | 0x80;
      l = ((l >>> 7) | (h << 25)) >>> 0;
      h >>>= 7;
    }
    this.#buffer[this.#at++] = l;
  }

  /** A length, which may exceed 32 bits. */
  length(value: number): void {
    this.varint(value % 2 ** 32, Math.floor(value / 2 ** 32));
  }

  float(value: number): void {
    this.#room(4);
    this.#view.setFloat32(this.#at, value, true);
    this.#at += 4;
  }

  double(value: number): void {
    this.#room(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  piece(part: Lazy): void {
    if (!(part instanceof Uint8Array) || part.length > INLINE_LIMIT) {
      this.#flush();
      this.#pieces.push(part);
      return;
    }
    this.#room(part.length);
    this.#buffer.set(part, this.#at);
    this.#at += part.length;
  }

  finish(): Lazy[] {
    this.#flush();
    return this.#pieces;
  }

  #room(length: number): void {
    if (this.#at + length <= BUFFER_SIZE) return;
    this.#flush();
    this.#buffer = new Uint8Array(BUFFER_SIZE);
    this.#view = new DataView(this.#buffer.buffer);
    this.#from = 0;
    this.#at = 0;
  }

  #flush(): void {
    if (this.#at > this.#from) this.#pieces.push(this.#buffer.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }
}
