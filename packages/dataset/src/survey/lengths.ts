import type { DataReport } from "@modulehub/core";
import type { ExampleContent } from "../example.ts";

/** The shortest, the middle, the long and the longest of ascending lengths. */
export function lengthsOf(ascending: Uint32Array, kind: ExampleContent["kind"]): DataReport["lengths"] {
  const count = ascending.length;
  if (count === 0) return undefined;
  const middle = (ascending[Math.floor((count - 1) / 2)]! + ascending[Math.floor(count / 2)]!) / 2;
  return {
    unit: kind === "text" ? "characters" : "bytes",
    least: ascending[0]!,
    median: middle,
    p95: ascending[Math.ceil(count * 0.95) - 1]!,
    most: ascending[count - 1]!,
  };
}
