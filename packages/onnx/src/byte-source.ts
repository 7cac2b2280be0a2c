import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { problem } from "@modulehub/core/problem";

/** Bytes that can be read at any place. Reading is synchronous: sources are files and memory. */
export interface ByteSource {
  readonly size: number;
  /** Exactly `length` bytes from `offset` on; throws `not-onnx` where the source ends before. */
  read(offset: number, length: number): Uint8Array;
}

/** A part of a source that has not been read. */
export interface SourceRange {
  readonly source: ByteSource;
  readonly offset: number;
  readonly length: number;
}

/** Bytes in memory, or a reference to where they lie. */
export type Lazy = Uint8Array | SourceRange;

const COPY_CHUNK = 1 << 20;

/** A source over bytes in memory; what it gives are views, not copies. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.byteLength,
    read(offset, length) {
      if (offset + length > bytes.byteLength) throw problem("not-onnx", "The model ends too early.");
      return bytes.subarray(offset, offset + length);
    },
  };
}

/** A source over an open file. The descriptor stays the caller's to close, after the last use of the model. */
export function descriptorSource(descriptor: number): ByteSource {
  return {
    size: fstatSync(descriptor).size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const count = readSync(descriptor, bytes, done, length - done, offset + done);
        if (count === 0) throw problem("not-onnx", "The model ends too early.");
        done += count;
      }
      return bytes;
    },
  };
}

/** A source over a file, open until it is closed or disposed of (`using source = openSource(path)`). */
export function openSource(path: string): ByteSource & Disposable & { close(): void } {
  const descriptor = openSync(path, "r");
  const close = () => closeSync(descriptor);
  return { ...descriptorSource(descriptor), close, [Symbol.dispose]: close };
}

/** Number of bytes of one or several parts. */
export function lazyLength(parts: Lazy | readonly Lazy[]): number {
  if (!isList(parts)) return parts.length;
  return parts.reduce((sum, part) => sum + part.length, 0);
}

/** All bytes, read into memory. */
export function lazyBytes(parts: Lazy | readonly Lazy[]): Uint8Array {
  const list = isList(parts) ? parts : [parts];
  const [first] = list;
  if (list.length === 1 && first)
    return first instanceof Uint8Array ? first : first.source.read(first.offset, first.length);
  const bytes = new Uint8Array(lazyLength(list));
  let at = 0;
  for (const part of list) {
    bytes.set(lazyBytes(part), at);
    at += part.length;
  }
  return bytes;
}

/** The bytes in chunks of at most 1 MiB, so that gigabytes pass through without lying in memory. */
export function* lazyChunks(part: Lazy): Generator<Uint8Array> {
  for (let at = 0; at < part.length; at += COPY_CHUNK) {
    const length = Math.min(COPY_CHUNK, part.length - at);
    yield part instanceof Uint8Array
      ? part.subarray(at, at + length)
      : part.source.read(part.offset + at, length);
  }
}

const isList = (parts: Lazy | readonly Lazy[]): parts is readonly Lazy[] => Array.isArray(parts);
