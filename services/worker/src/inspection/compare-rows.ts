import type { Tensor } from "@modulehub/core";

/** Contracts of serving, "Equality": part of the row's largest magnitude (at least 1) that results may differ by. */
export const TOLERANCE = 1e-6;

/**
 * The largest difference of two results as a part of max(1, max|row|); Infinity where dtypes or shapes differ,
 * or anything that is not a float does. NaN equals NaN.
 */
export function difference(reference: Tensor, other: Tensor): number {
  if (reference.dtype !== other.dtype || reference.shape.join() !== other.shape.join()) return Infinity;
  const a = floats(reference);
  const b = floats(other);
  if (!a || !b) return sameElements(reference, other) ? 0 : Infinity;
  let largest = 1;
  for (const value of a) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  let most = 0;
  for (let index = 0; index < a.length; index++) {
    const left = a[index]!;
    const right = b[index]!;
    if (Object.is(left, right) || left === right) continue;
    const apart = Math.abs(left - right) / largest;
    if (!(apart <= most)) most = Number.isNaN(apart) ? Infinity : apart;
  }
  return most;
}

function floats(tensor: Tensor): (ArrayLike<number> & Iterable<number>) | undefined {
  if (tensor.dtype === "float32" || tensor.dtype === "float64") return tensor.data;
  if (tensor.dtype === "float16")
    return new Float16Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.length);
  return undefined;
}

function sameElements({ data: a }: Tensor, { data: b }: Tensor): boolean {
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return a.length === b.length;
}
