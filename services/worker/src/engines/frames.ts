import type { Readable, Writable } from "node:stream";
import { BufferSweep } from "@modulehub/buffer-sweep";
import { DTYPES, type Dtype } from "@modulehub/core/dtype";
import { binaryBytes, type Tensor, tensorFromBytes } from "@modulehub/core/tensor";

/**
 * What goes over the pipe between the worker and an engine, in both directions:
 *
 *     u32 length of all that follows │ u32 length of the header │ header, JSON │ tensors' bytes
 *
 * Tensors follow in the header's order, each at an offset (from the first length field's start) that is a
 * multiple of 8, so that they are read without a copy. Strings are a u32 length and UTF-8 bytes an element.
 * An engine may be in the hands of whoever wrote the model, so everything read from one is checked.
 */
export interface Frame {
  message: Readonly<Record<string, unknown>>;
  tensors: Map<string, Tensor>;
}

/** The largest frame that is read or written, in bytes. */
export const MAX_FRAME_BYTES = 256 * 1024 * 1024;

const ALIGNMENT = 8;
const align = (offset: number): number => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;

interface TensorEntry {
  name: string;
  dtype: Dtype;
  shape: number[];
  bytes: number;
}

interface Header {
  message: Record<string, unknown>;
  tensors: TensorEntry[];
}

/*
 * By hand, not with zod: engines import this file, and zod takes 14 MB and 36 ms of each.
 */
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

const isTensorEntry = (value: unknown): value is TensorEntry =>
  isRecord(value) &&
  typeof value.name === "string" &&
  typeof value.dtype === "string" &&
  Object.hasOwn(DTYPES, value.dtype) &&
  Array.isArray(value.shape) &&
  value.shape.length <= 64 &&
  value.shape.every(isCount) &&
  isCount(value.bytes);

const isHeader = (value: unknown): value is Header =>
  isRecord(value) &&
  isRecord(value.message) &&
  Array.isArray(value.tensors) &&
  value.tensors.length <= 4096 &&
  value.tensors.every(isTensorEntry);

/** A frame that breaks the format, or is too large. The pipe is of no use after it. */
export class FrameError extends Error {
  override name = "FrameError";
}

/** A frame as chunks to write one after the other; numeric tensors are not copied. Throws FrameError. */
export function encodeFrame({ message, tensors }: Frame): Uint8Array[] {
  const bodies = [...tensors.values()].map(binaryBytes);
  const list = [...tensors].map(([name, { dtype, shape }], index) => ({
    name,
    dtype,
    shape,
    bytes: bodies[index]!.byteLength,
  }));
  const header = Buffer.from(JSON.stringify({ message, tensors: list }));
  const start = Buffer.alloc(8);
  const chunks: Uint8Array[] = [start, header];
  let length = 8 + header.byteLength;
  for (const body of bodies) {
    const padding = align(length) - length;
    if (padding > 0) chunks.push(new Uint8Array(padding));
    chunks.push(body);
    length += padding + body.byteLength;
  }
  if (length > MAX_FRAME_BYTES) throw new FrameError(`${length} bytes, more than ${MAX_FRAME_BYTES}`);
  start.writeUInt32LE(length - 4, 0);
  start.writeUInt32LE(header.byteLength, 4);
  return chunks;
}

/** The frame in `bytes`, all of it with both length fields. Throws FrameError. */
export function decodeFrame(bytes: Buffer<ArrayBuffer>): Frame {
  const headerEnd = 8 + bytes.readUInt32LE(4);
  if (headerEnd > bytes.byteLength) throw new FrameError("the header ends beyond the frame");
  const parsed = parseJson(bytes.toString("utf8", 8, headerEnd));
  if (!isHeader(parsed)) throw new FrameError("the header is not what a header looks like");
  const tensors = new Map<string, Tensor>();
  let offset = headerEnd;
  for (const { name, dtype, shape, bytes: size } of parsed.tensors) {
    offset = align(offset);
    if (offset + size > bytes.byteLength) throw new FrameError("a tensor ends beyond the frame");
    tensors.set(name, decodeTensor(dtype, shape, bytes.subarray(offset, offset + size)));
    offset += size;
  }
  if (offset !== bytes.byteLength) throw new FrameError("bytes are left over");
  return { message: parsed.message, tensors };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FrameError("the header is not JSON", { cause });
  }
}

function decodeTensor(dtype: Dtype, shape: number[], bytes: Buffer): Tensor {
  try {
    if (dtype !== "string") return tensorFromBytes(dtype, shape, bytes);
  } catch (cause) {
    throw new FrameError("a tensor does not fit its shape", { cause });
  }
  const data: string[] = [];
  for (let offset = 0; offset < bytes.byteLength; ) {
    const start = offset + 4;
    const end = start <= bytes.byteLength ? start + bytes.readUInt32LE(offset) : Infinity;
    if (end > bytes.byteLength) throw new FrameError("a string ends beyond its tensor");
    data.push(bytes.toString("utf8", start, end));
    offset = end;
  }
  if (data.length !== shape.reduce((product, dimension) => product * dimension, 1))
    throw new FrameError("a tensor of strings does not fit its shape");
  return { dtype, shape, data };
}

/** Up to so many bytes a frame is copied together, which takes less time than to write its parts. */
const SMALL_FRAME = 32 * 1024;

/** Writes a frame, in one go. */
export function writeFrame(stream: Writable, frame: Frame): void {
  const chunks = encodeFrame(frame);
  let length = 0;
  for (const { byteLength } of chunks) length += byteLength;
  if (length <= SMALL_FRAME) {
    stream.write(Buffer.concat(chunks, length));
    return;
  }
  stream.cork();
  for (const chunk of chunks) stream.write(chunk);
  stream.uncork();
}

/** What frames came in. */
const chunksOfFrames = new BufferSweep();

/**
 * Calls `onFrame` for every whole frame that arrives; memory is taken as bytes come, not as lengths promise.
 * `onFault` is called once, for a frame that breaks the format, and nothing is read after it.
 */
export function readFrames(
  stream: Readable,
  onFrame: (frame: Frame) => void,
  onFault: (error: FrameError) => void,
  maxBytes: number = MAX_FRAME_BYTES,
): void {
  let pending: Buffer[] = [];
  let held = 0;
  let broken = false;
  stream.on("data", (chunk: Buffer) => {
    if (broken) return;
    pending.push(chunk);
    held += chunk.byteLength;
    try {
      for (let size = frameSize(pending, held, maxBytes); size > 0 && held >= size; ) {
        const all = joined(pending);
        const frame = decodeFrame(all.subarray(0, size));
        pending = all.byteLength > size ? [all.subarray(size)] : [];
        held -= size;
        chunksOfFrames.letGo(size);
        onFrame(frame);
        size = frameSize(pending, held, maxBytes);
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      broken = true;
      pending = [];
      onFault(error);
    }
  });
}

/** Bytes of the frame that `pending` begins with; 0 where too few have come to tell. */
function frameSize(pending: Buffer[], held: number, maxBytes: number): number {
  if (held < 8) return 0;
  const first = pending[0]!.byteLength >= 4 ? pending[0]! : Buffer.concat(pending);
  const size = 4 + first.readUInt32LE(0);
  if (size < 8 || size > maxBytes) throw new FrameError(`a frame of ${size} bytes`);
  return size;
}

/** The chunks as one buffer whose start is aligned for every dtype. */
function joined(chunks: Buffer[]): Buffer<ArrayBuffer> {
  const all = Buffer.from(new ArrayBuffer(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)));
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return all;
}
