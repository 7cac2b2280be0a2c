/**
 * Random numbers that are a function of a key and a counter, so that those of step 5,000 are had without those before.
 * Source: Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011): Philox4x32-10.
 */
export type Key = readonly [number, number];
export type Counter = readonly [number, number, number, number];

/** Four unsigned 32-bit integers. */
export function philox(counter: Counter, key: Key): [number, number, number, number] {
  let [a, b, c, d] = counter;
  let [k, l] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = highProduct(0xd2511f53, a);
    const low0 = Math.imul(0xd2511f53, a);
    const high1 = highProduct(0xcd9e8d57, c);
    const low1 = Math.imul(0xcd9e8d57, c);
    a = high1 ^ b ^ k;
    b = low1;
    c = high0 ^ d ^ l;
    d = low0;
    k = (k + 0x9e3779b9) | 0;
    l = (l + 0xbb67ae85) | 0;
  }
  return [a >>> 0, b >>> 0, c >>> 0, d >>> 0];
}

/** The upper half of a product of two 32-bit integers, in parts that a double holds exactly. */
function highProduct(a: number, b: number): number {
  const low = a * (b & 0xffff);
  return Math.floor((a * (b >>> 16) + Math.floor(low / 0x10000)) / 0x10000);
}

/** What random numbers are for; each use has its own, whatever the others took. */
export const PURPOSES = { initialize: 1, shuffle: 2, dropout: 3 } as const;

/**
 * A sequence for one purpose of a seed. `first` and `second` tell sequences of a purpose apart, such as epochs, or
 * steps and layers.
 */
export class RandomSequence {
  private readonly key: Key;
  private readonly first: number;
  private readonly second: number;
  private block = 0;
  private left: number[] = [];

  constructor(seed: number, purpose: keyof typeof PURPOSES, first = 0, second = 0) {
    this.key = [seed, PURPOSES[purpose]];
    this.first = first;
    this.second = second;
  }

  /** An unsigned 32-bit integer. */
  next(): number {
    if (this.left.length === 0)
      this.left = philox([this.block++, this.first, this.second, 0], this.key).reverse();
    return this.left.pop() ?? 0;
  }

  /** In [0, 1), of 53 bits. */
  uniform(): number {
    return ((this.next() >>> 5) * 0x4000000 + (this.next() >>> 6)) / 2 ** 53;
  }

  /** Mean 0, deviation 1. Source: Box and Muller (1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** An integer from 0 up to `limit`, each as likely as the other. Source: Lemire, "Fast Random Integer Generation" (2019). */
  below(limit: number): number {
    const threshold = (2 ** 32 - limit) % limit;
    for (;;) {
      const drawn = this.next();
      if (Math.imul(drawn, limit) >>> 0 >= threshold) return highProduct(limit, drawn);
    }
  }
}
