import type { VectorFile } from "./mhwv-file.ts";

/**
 * A text embedding worked out on its own, by what docs and decisions say of it: the sum of the words' vectors over
 * the square root of their number; of the file's words the least frequent 2.5 % give way to a quarter as many hash
 * buckets, each the mean of the words that hash into it, stored as int8 with a scale as all rows are.
 */
export class WordArithmetic {
  readonly #file: VectorFile;
  readonly #rows = new Map<string, number>();
  readonly #buckets: Float64Array[];

  constructor(file: VectorFile) {
    this.#file = file;
    const { words } = file;
    const hashed = Math.round(words.length * 0.025);
    const kept = words.length - hashed;
    for (let row = 0; row < kept; row++) this.#rows.set(words[row]!, row);
    const members = Array.from({ length: Math.round((words.length * 0.025) / 4) }, (): number[] => []);
    for (let row = kept; row < words.length; row++)
      members[this.#bucketOf(words[row]!, members.length)]!.push(row);
    const all = members.flat();
    this.#buckets = members.map((rows) => asStored(this.#mean(rows.length > 0 ? rows : all)));
  }

  /** The vector of a text of these words. */
  vectorOf(words: readonly string[]): number[] {
    const sum = new Float64Array(this.#file.dimensions);
    for (const word of words)
      for (const [index, value] of this.#wordVector(word).entries()) sum[index]! += value;
    return Array.from(sum, (value) => value / Math.sqrt(Math.max(1, words.length)));
  }

  /** Whether a word has a vector of its own. */
  knows(word: string): boolean {
    return this.#rows.has(word);
  }

  #wordVector(word: string): Float32Array | Float64Array {
    const row = this.#rows.get(word);
    return row === undefined ? this.#buckets[this.#bucketOf(word, this.#buckets.length)]! : this.#row(row);
  }

  #row(row: number): Float32Array {
    const { vectors, dimensions } = this.#file;
    return vectors.subarray(row * dimensions, (row + 1) * dimensions);
  }

  #mean(rows: readonly number[]): Float64Array {
    const sum = new Float64Array(this.#file.dimensions);
    for (const row of rows) for (const [index, value] of this.#row(row).entries()) sum[index]! += value;
    return sum.map((value) => value / rows.length);
  }

  #bucketOf(word: string, buckets: number): number {
    return Number(murmur3(new TextEncoder().encode(word)) % BigInt(buckets));
  }
}

/** A row as int8 with one scale, back as numbers. */
function asStored(row: Float64Array): Float64Array {
  const scale = Math.max(...row.map(Math.abs)) / 127;
  return row.map((value) => Math.round(value / scale) * scale);
}

const MASK = 0xffff_ffffn;
const rotl = (value: bigint, by: bigint): bigint => ((value << by) | (value >> (32n - by))) & MASK;
const scrambled = (k: bigint): bigint => (rotl((k * 0xcc9e_2d51n) & MASK, 15n) * 0x1b87_3593n) & MASK;

/** MurmurHash3_x86_32 with seed 0, after the description on Wikipedia ("MurmurHash", Algorithm). */
export function murmur3(key: Uint8Array): bigint {
  let hash = 0n;
  const blocks = Math.floor(key.length / 4);
  const little = (from: number, to: number) =>
    key.slice(from, to).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  for (let block = 0; block < blocks; block++) {
    hash ^= scrambled(little(block * 4, block * 4 + 4));
    hash = (rotl(hash, 13n) * 5n + 0xe654_6b64n) & MASK;
  }
  hash ^= scrambled(little(blocks * 4, key.length));
  hash ^= BigInt(key.length);
  hash = ((hash ^ (hash >> 16n)) * 0x85eb_ca6bn) & MASK;
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2_ae35n) & MASK;
  return hash ^ (hash >> 16n);
}
