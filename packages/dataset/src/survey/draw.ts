import { hash } from "node:crypto";
import type { Split } from "@modulehub/core";
import { digestNumber } from "./content-digest.ts";

/**
 * The draw of an example for a split, from 0 up to 1: the first 52 bits of the SHA-256 of `seed split digest`, digest
 * that of its content in hex. It depends on nothing else, so the order of a data set doesn't matter, what is added
 * draws for itself, and equal examples draw the same.
 */
export const drawOf = (seed: number, split: Split, digest: string): number =>
  digestNumber(hash("sha256", `${seed} ${split} ${digest}`, "hex")) * 2 ** -52;

/**
 * The greatest draw that belongs to the split, so that it gets its fraction of the stratum, rounded, and never all of
 * it; those that draw the same stay together. −1 where it gets none.
 */
export function threshold(draws: Float64Array, fraction: number): number {
  const count = Math.min(Math.round(draws.length * fraction), draws.length - 1);
  return count <= 0 ? -1 : draws.toSorted()[count - 1]!;
}
