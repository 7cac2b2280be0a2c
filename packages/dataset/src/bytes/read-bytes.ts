import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { problem } from "@modulehub/core";
import type { DataLimits, DataSource } from "../example.ts";
import { UnpackedBudget } from "./unpacked-budget.ts";

const CHUNK = 1 << 18;

/** The first bytes of a file, at most so many; its size is within the limits. Throws `data-empty` where there are none. */
export async function firstBytes(source: DataSource, limits: DataLimits, count: number): Promise<Buffer> {
  const { size } = await stat(source.file);
  if (size === 0) throw problem("data-empty", "The file is empty.");
  if (size > limits.fileBytes)
    throw problem("data-too-large", `The data set has more than ${limits.fileBytes} bytes.`);
  await using file = await open(source.file);
  const bytes = Buffer.alloc(Math.min(count, size));
  await file.read(bytes, 0, bytes.length, 0);
  return bytes;
}

/** Whether bytes begin as those of gzip do (RFC 1952, 2.3.1). */
export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/**
 * The bytes of a file in chunks, unpacked where they are gzip. Throws `data-corrupt` for gzip that is damaged or cut
 * off, `data-too-large` beyond the limits. Stopping to read closes the file.
 */
export async function* readBytes(source: DataSource, limits: DataLimits): AsyncGenerator<Buffer, void> {
  const first = await firstBytes(source, limits, 2);
  const budget = new UnpackedBudget(limits);
  const file = createReadStream(source.file, { highWaterMark: CHUNK });
  if (!isGzip(first)) return yield* counted(file, (bytes) => budget.packed(bytes));
  const stop = new AbortController();
  const gunzip = createGunzip({ chunkSize: CHUNK });
  const packed = Readable.from(counted(file, (bytes) => budget.packed(bytes)));
  const done = pipeline(packed, gunzip, { signal: stop.signal });
  // Said by the loop below, which reads the same stream.
  done.catch(() => undefined);
  try {
    yield* counted(gunzip, (bytes) => budget.unpacked(bytes));
  } catch (error) {
    throw isZlibError(error)
      ? problem("data-corrupt", `The file's gzip is damaged or cut off (${error.code}).`, { cause: error })
      : error;
  } finally {
    stop.abort();
    await done.catch(() => undefined);
  }
}

async function* counted(
  chunks: AsyncIterable<Buffer>,
  count: (bytes: number) => void,
): AsyncGenerator<Buffer, void> {
  for await (const chunk of chunks) {
    count(chunk.byteLength);
    yield chunk;
  }
}

/** What zlib says of bytes, not of its own use. */
export const isZlibError = (error: unknown): error is Error & { code: string } =>
  error instanceof Error &&
  "code" in error &&
  typeof error.code === "string" &&
  /^Z_|^ERR_PADDING/.test(error.code);
