import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { problem } from "@modulehub/core/problem";

/** Words, most frequent first, and their vectors: row i of the row-major `vectors` belongs to `words[i]`. */
export interface WordVectors {
  words: string[];
  vectors: Float32Array;
  dimensions: number;
}

const MAGIC = "MHWV0001";
/** Larger headers, or blocks of words, are not of a file that anyone made on purpose. */
const MOST_HEADER = 1 << 16;
const MOST_VALUES = 1 << 29;
const LONGEST_LINE = 1 << 20;

/**
 * Reads word vectors from a file, `.gz` or not: the text of GloVe (`word v1 … vd` a line), that of word2vec (the
 * same after a line `count dimensions`), or the compact `.mhwv`. Text is streamed; reading stops after `limit`
 * words. Throws `asset-invalid`, naming the line, for what is none of these.
 */
export async function readWordVectors(path: string, limit = Number.POSITIVE_INFINITY): Promise<WordVectors> {
  const file = createReadStream(path);
  // The pipeline hands errors of the file on to the reader.
  const stream = path.endsWith(".gz") ? pipeline(file, createGunzip(), () => undefined) : file;
  try {
    return await readAny(stream, limit);
  } catch (error) {
    if (error instanceof Error && "code" in error && `${error.code}`.startsWith("Z_"))
      throw problem("asset-invalid", "The word vectors are damaged: not gzip.", { cause: error });
    throw error;
  } finally {
    file.destroy();
  }
}

async function readAny(chunks: AsyncIterable<Buffer>, limit: number): Promise<WordVectors> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) throw problem("asset-invalid", "The file of word vectors is empty.");
  const rest = { [Symbol.asyncIterator]: () => iterator };
  if (first.value.toString("latin1", 0, MAGIC.length) !== MAGIC)
    return readText(lines(first.value, rest), limit);
  const parts = [first.value];
  for await (const chunk of rest) parts.push(chunk);
  return decodeCompact(Buffer.concat(parts), limit);
}

/** Lines without their ends; throws where one never ends. */
async function* lines(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let open = decoder.decode(first, { stream: true });
  const cut = function* (): Generator<string> {
    const whole = open.split("\n");
    open = whole.pop() ?? "";
    if (open.length > LONGEST_LINE) throw problem("asset-invalid", "A line of the word vectors is too long.");
    for (const line of whole) yield line.trimEnd();
  };
  yield* cut();
  for await (const chunk of rest) {
    open += decoder.decode(chunk, { stream: true });
    yield* cut();
  }
  yield open.trimEnd();
}

async function readText(source: AsyncIterable<string>, limit: number): Promise<WordVectors> {
  const words: string[] = [];
  let vectors = new Float32Array(1 << 16);
  let dimensions = 0;
  let number = 0;
  for await (const line of source) {
    number += 1;
    if (words.length >= limit) break;
    const fields = line.split(" ");
    if (line === "" || (number === 1 && fields.length === 2 && fields.every((field) => /^\d+$/.test(field))))
      continue;
    dimensions ||= fields.length - 1;
    if (fields.length - 1 !== dimensions || dimensions < 1 || !fields[0])
      throw problem(
        "asset-invalid",
        `Line ${number} has ${fields.length - 1} numbers; the lines before have ${dimensions}.`,
      );
    const from = words.length * dimensions;
    if (from + dimensions > vectors.length) {
      const larger = new Float32Array(Math.max(vectors.length * 2, from + dimensions));
      larger.set(vectors);
      vectors = larger;
    }
    for (let i = 0; i < dimensions; i++) {
      const value = Number(fields[i + 1] || Number.NaN);
      if (!Number.isFinite(value))
        throw problem("asset-invalid", `Line ${number} holds something that is not a number.`);
      vectors[from + i] = value;
    }
    words.push(fields[0]);
  }
  if (words.length === 0) throw problem("asset-invalid", "The file holds no word vectors.");
  return { words, vectors: vectors.slice(0, words.length * dimensions), dimensions };
}

/** The compact form; its layout is written down in examples/word-vectors/SOURCE.md. */
function decodeCompact(file: Buffer, limit: number): WordVectors {
  const broken = () => problem("asset-invalid", "The compact word vectors are damaged; make the file again.");
  let at = MAGIC.length;
  const take = (length: number): Buffer => {
    if (at + length > file.length) throw broken();
    at += length;
    return file.subarray(at - length, at);
  };
  const headerLength = take(4).readUInt32LE();
  if (headerLength > MOST_HEADER) throw broken();
  const { count, dimensions } = compactHeader(take(headerLength).toString("utf8"));
  const words = take(take(4).readUInt32LE()).toString("utf8").split("\n");
  if (words.length !== count || count * dimensions > MOST_VALUES) throw broken();
  const scales = take(4 * count);
  const codes = take(count * dimensions);
  const kept = Math.min(count, limit);
  const vectors = new Float32Array(kept * dimensions);
  for (let row = 0; row < kept; row++) {
    const scale = scales.readFloatLE(4 * row);
    for (let i = row * dimensions; i < (row + 1) * dimensions; i++) vectors[i] = scale * codes.readInt8(i);
  }
  return { words: words.slice(0, kept), vectors, dimensions };
}

function compactHeader(text: string): { count: number; dimensions: number } {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    throw problem("asset-invalid", "The header of the compact word vectors is not JSON.", { cause });
  }
  if (typeof header === "object" && header !== null && "words" in header && "dimensions" in header) {
    const { words, dimensions } = header;
    if ("encoding" in header && header.encoding === "int8-row-scale")
      if (
        typeof words === "number" &&
        typeof dimensions === "number" &&
        Number.isSafeInteger(words * dimensions)
      )
        if (words > 0 && dimensions > 0) return { count: words, dimensions };
  }
  throw problem("asset-invalid", "The header of the compact word vectors is not one that is known here.");
}
