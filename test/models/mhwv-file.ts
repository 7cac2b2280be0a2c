import { readFileSync } from "node:fs";

export interface VectorFile {
  words: string[];
  dimensions: number;
  /** Row-major, as float32 arithmetic gives them. */
  vectors: Float32Array;
}

/** Reads word vectors by the table in examples/word-vectors/SOURCE.md, apart from the hub's own reader. */
export function readVectorFile(path: string): VectorFile {
  const file = readFileSync(path);
  const headerEnd = 12 + file.readUInt32LE(8);
  const header: { words: number; dimensions: number } = JSON.parse(file.toString("utf8", 12, headerEnd));
  const wordsEnd = headerEnd + 4 + file.readUInt32LE(headerEnd);
  const words = file.toString("utf8", headerEnd + 4, wordsEnd).split("\n");
  const { dimensions } = header;
  const codes = new Int8Array(file.subarray(wordsEnd + 4 * words.length));
  const vectors = Float32Array.from(
    codes,
    (code, index) => code * file.readFloatLE(wordsEnd + 4 * Math.floor(index / dimensions)),
  );
  return { words, dimensions, vectors };
}
