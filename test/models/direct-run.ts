import type { Tensor } from "@modulehub/core";
import { openSession } from "@modulehub/runtime/session";

/** A graph's first output on one tensor, by ONNX Runtime without the hub. */
export async function directRun(
  graph: string,
  input: string,
  tensor: Tensor,
): Promise<{ shape: number[]; data: ArrayLike<number> }> {
  const session = await openSession(graph, { threads: 1 });
  try {
    const [output] = (await session.run(new Map([[input, tensor]]))).values();
    if (output?.dtype !== "float32") throw new Error("The output is float32.");
    return output;
  } finally {
    await session.close();
  }
}
