import { problem } from "@modulehub/core/problem";
import type { Tensor } from "@modulehub/core/tensor";
import { murmur3 } from "./murmur3.ts";
import type { WordVectors } from "./word-vectors.ts";

/**
 * The look-up table of a text embedding: rows of known words, then those of the hash buckets, then one row of
 * zeros for padding.
 */
export interface EmbeddingTable {
  /** Row by word; several spellings may share a row. */
  rows: Map<string, number>;
  /** First row of the buckets. */
  firstBucket: number;
  buckets: number;
  /** The row of zeros, which is the last. */
  padding: number;
  dimensions: number;
  /** Row-major, `padding + 1` rows. */
  vectors: Float32Array;
}

export interface TableOptions {
  /** Share of the words, the least frequent ones, that give way to hash buckets. */
  hashedShare: number;
  /** Number of hash buckets. */
  buckets: number;
}

/** The bucket of a word, counted from 0. */
export const bucketOf = (word: string, buckets: number): number =>
  murmur3(Buffer.from(word, "utf8")) % buckets;

/**
 * Lays out a table. A bucket's vector is the mean of the vectors of the words that hash into it; a bucket that no
 * word hashes into gets the mean of all words that gave way, which is what is known of an unknown word.
 * Words that come twice keep their first vector. `extra` adds words that the table lacks as the mean of others: of the
 * first list whose words it has; an empty list makes the word one that counts for nothing, like padding.
 */
export function layOutTable(
  { words, vectors, dimensions }: WordVectors,
  { hashedShare, buckets }: TableOptions,
  extra: ReadonlyMap<string, readonly (readonly string[])[]> = new Map(),
): EmbeddingTable {
  if (vectors.length !== words.length * dimensions || words.length === 0)
    throw problem(
      "asset-invalid",
      `${words.length} words of ${dimensions} numbers don't fit ${vectors.length} numbers.`,
    );
  const kept = words.length - Math.round(words.length * hashedShare);
  const rows = new Map<string, number>();
  for (let row = 0; row < kept; row++) {
    const word = words[row] ?? "";
    if (word !== "" && !rows.has(word)) rows.set(word, row);
  }
  const added = [...extra].flatMap(([word, choices]): [word: string, parts: readonly string[]][] => {
    const parts = rows.has(word)
      ? undefined
      : choices.find((choice) => choice.every((part) => rows.has(part)));
    return parts ? [[word, parts]] : [];
  });
  const firstBucket = kept + added.length;
  const padding = firstBucket + buckets;
  const table = new Float32Array((padding + 1) * dimensions);
  table.set(vectors.subarray(0, kept * dimensions));
  const row = (at: number) => table.subarray(at * dimensions, (at + 1) * dimensions);
  added.forEach(([word, parts], index) => {
    rows.set(word, kept + index);
    const sources = parts.map((part) => row(rows.get(part) ?? padding).slice());
    row(kept + index).set(mean(sources, dimensions));
  });
  for (const [word, parts] of added) if (parts.length === 0) rows.set(word, padding);
  const members = Array.from({ length: buckets }, (): Float32Array[] => []);
  for (let at = kept; at < words.length; at++) {
    const word = words[at] ?? "";
    const vector = vectors.subarray(at * dimensions, (at + 1) * dimensions);
    if (!rows.has(word)) members[bucketOf(word, buckets)]?.push(vector);
  }
  const fallback = mean(members.flat(), dimensions);
  members.forEach((list, bucket) => {
    row(firstBucket + bucket).set(list.length > 0 ? mean(list, dimensions) : fallback);
  });
  return { rows, firstBucket, buckets, padding, dimensions, vectors: table };
}

function mean(vectors: readonly Float32Array[], dimensions: number): Float32Array {
  const sum = new Float64Array(dimensions);
  for (const vector of vectors)
    for (let i = 0; i < dimensions; i++) sum[i] = (sum[i] ?? 0) + (vector[i] ?? 0);
  return Float32Array.from(sum, (value) => (vectors.length === 0 ? 0 : value / vectors.length));
}

/** Rows as int8 with one scale a row: vector ≈ scale · int8, scale = largest magnitude / 127. */
export function quantizeRows({ vectors, dimensions }: EmbeddingTable): { codes: Tensor; scales: Tensor } {
  const count = vectors.length / dimensions;
  const codes = new Int8Array(vectors.length);
  const scales = new Float32Array(count);
  for (let row = 0; row < count; row++) {
    const from = row * dimensions;
    let largest = 0;
    for (let i = from; i < from + dimensions; i++) largest = Math.max(largest, Math.abs(vectors[i] ?? 0));
    const scale = Math.fround(largest / 127);
    scales[row] = scale;
    if (scale === 0) continue;
    for (let i = from; i < from + dimensions; i++)
      codes[i] = Math.max(-127, Math.min(127, Math.round((vectors[i] ?? 0) / scale)));
  }
  return {
    codes: { dtype: "int8", shape: [count, dimensions], data: codes },
    scales: { dtype: "float32", shape: [count, 1], data: scales },
  };
}
