import type { TensorOf } from "@modulehub/core/tensor";
import { PURPOSES, philox } from "./philox.ts";
import type { MaskSpec } from "./program.ts";

/**
 * What a layer's numbers are multiplied with in a step: 0 for the share that is left out, 1 ÷ (1 − dropout) for the
 * rest, so that their mean stays. Depends on (seed, step, layer) and the place alone. Float32 [batch, width].
 */
export function dropoutMask(
  { width, dropout, layer }: MaskSpec,
  { seed, step, batch }: { seed: number; step: number; batch: number },
): TensorOf<"float32"> {
  const data = new Float32Array(batch * width);
  const keep = 1 / (1 - dropout);
  // 16 bits a place: a share is met within 1 ÷ 65,536.
  const limit = Math.round(dropout * 65_536);
  for (let at = 0, block = 0; at < data.length; block++) {
    for (const word of philox([block, step, layer, 0], [seed, PURPOSES.dropout])) {
      data[at++] = (word & 0xffff) < limit ? 0 : keep;
      // Writing behind the end of a typed array does nothing.
      data[at++] = word >>> 16 < limit ? 0 : keep;
    }
  }
  return { dtype: "float32", shape: [batch, width], data };
}
