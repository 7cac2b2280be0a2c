import type { NearestNeighbour } from "@modulehub/core";

/** Embeddings of labelled examples. */
export interface NeighbourRows {
  /** [rows, features], row by row. */
  vectors: Float32Array;
  features: number;
  /** A row's class, by its index. */
  labels: ArrayLike<number>;
}

/** Rows whose distances to as many others are measured while both lie in the cache: 2 × 64 × 384 × 4 bytes are 192 KiB. */
const BLOCK = 64;

/**
 * Leaves out one row after the other and gives it the label of its nearest other row: how often that is wrong. Near is
 * by the angle (cosine; a row of zeros is at right angles to all) or by the straight line (euclid); of equally near rows
 * the first counts. The work grows with the square of the rows: 2,000 rows of 384 numbers take about a second. Sums are
 * in double precision. Throws a RangeError for fewer than two rows.
 */
export function nearestNeighbour(
  rows: NeighbourRows,
  metric: NearestNeighbour["metric"],
  of?: number,
): NearestNeighbour {
  const { labels } = rows;
  const count = labels.length;
  if (count < 2 || rows.vectors.length !== count * rows.features)
    throw new RangeError("a nearest other row needs two rows of the same length");
  const nearest = nearestRows(rows, metric);
  let wrong = 0;
  for (let row = 0; row < count; row++) if (labels[nearest[row]!] !== labels[row]) wrong += 1;
  return { metric, error: wrong / count, wrong, examples: count, of: of ?? count };
}

/** Every row's nearest other row, by its index. Each pair is measured once. */
function nearestRows(
  { vectors, features, labels }: NeighbourRows,
  metric: NearestNeighbour["metric"],
): Int32Array {
  const count = labels.length;
  const nearest = new Int32Array(count).fill(-1);
  const distances = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const lengths = metric === "cosine" ? lengthsOf(vectors, features) : undefined;
  const offer = (row: number, other: number, distance: number) => {
    const best = distances[row]!;
    if (distance < best || (distance === best && other < nearest[row]!)) {
      distances[row] = distance;
      nearest[row] = other;
    }
  };
  for (let from = 0; from < count; from += BLOCK)
    for (let to = from; to < count; to += BLOCK)
      for (let row = from; row < Math.min(from + BLOCK, count); row++)
        for (let other = Math.max(to, row + 1); other < Math.min(to + BLOCK, count); other++) {
          const distance = lengths
            ? 1 - dot(vectors, row * features, other * features, features) / (lengths[row]! * lengths[other]!)
            : squared(vectors, row * features, other * features, features);
          offer(row, other, distance);
          offer(other, row, distance);
        }
  return nearest;
}

/** 1 for a row of zeros, so that its products stay 0. */
function lengthsOf(vectors: Float32Array, features: number): Float64Array {
  const lengths = new Float64Array(vectors.length / features);
  for (let row = 0; row < lengths.length; row++)
    lengths[row] = Math.sqrt(dot(vectors, row * features, row * features, features)) || 1;
  return lengths;
}

function dot(vectors: Float32Array, a: number, b: number, features: number): number {
  let [even, odd] = [0, 0];
  let index = 0;
  // Two sums, since each addition waits for the one before it.
  for (; index + 1 < features; index += 2) {
    even += vectors[a + index]! * vectors[b + index]!;
    odd += vectors[a + index + 1]! * vectors[b + index + 1]!;
  }
  return index < features ? even + odd + vectors[a + index]! * vectors[b + index]! : even + odd;
}

function squared(vectors: Float32Array, a: number, b: number, features: number): number {
  let [even, odd] = [0, 0];
  let index = 0;
  for (; index + 1 < features; index += 2) {
    const one = vectors[a + index]! - vectors[b + index]!;
    const other = vectors[a + index + 1]! - vectors[b + index + 1]!;
    even += one * one;
    odd += other * other;
  }
  const last = index < features ? vectors[a + index]! - vectors[b + index]! : 0;
  return even + odd + last * last;
}

/**
 * Which of so many rows are in a sample of at most `most`, ascending: all where there are no more, else each equally
 * likely, the same for the same seed (Vitter's algorithm R over Mulberry32).
 */
export function sampleRows(count: number, most: number, seed: number): number[] {
  const kept = Array.from({ length: Math.min(count, most) }, (_, row) => row);
  const random = mulberry32(seed);
  for (let row = most; row < count; row++) {
    const place = Math.floor(random() * (row + 1));
    if (place < most) kept[place] = row;
  }
  return kept.sort((a, b) => a - b);
}

/** Tommy Ettinger's generator of 32 bits, public domain; numbers from 0 up to 1. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
