import type { Tensor } from "@modulehub/core";
import ort from "onnxruntime-node";
import { modelBytes } from "./encode.ts";
import type { ModelProto } from "./schema.ts";

/** Tensors by name; feeds and fetches of tests. */
export type Tensors = Record<string, Tensor>;

/** Runs a model on ONNX Runtime, which is the judge of what graphs mean. Outputs keep its own shapes and types. */
export const runModel = (model: ModelProto | Uint8Array, feeds: Tensors): Promise<Tensors> =>
  withModel(model, (run) => run(feeds));

/** Opens a model for as many runs as `use` wants. */
export async function withModel<T>(
  model: ModelProto | Uint8Array,
  use: (run: (feeds: Tensors, fetches?: string[]) => Promise<Tensors>) => Promise<T>,
): Promise<T> {
  const bytes = model instanceof Uint8Array ? model : modelBytes(model);
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 4 });
  const run = async (feeds: Tensors, fetches: string[] = [...session.outputNames]): Promise<Tensors> => {
    const fed = Object.entries(feeds).map(([name, { dtype, shape, data }]) => [
      name,
      Reflect.construct(ort.Tensor, [dtype, data, shape]),
    ]);
    const fetched = await session.run(Object.fromEntries(fed), fetches);
    return Object.fromEntries(
      Object.entries(fetched).map(([name, { type, dims, data }]) => [
        name,
        { dtype: type, shape: [...dims], data } as Tensor,
      ]),
    );
  };
  try {
    return await use(run);
  } finally {
    await session.release();
  }
}

export const float32 = (shape: number[], values: readonly number[]): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(values),
});

export const int64 = (shape: number[], values: readonly number[]): Tensor => ({
  dtype: "int64",
  shape,
  data: BigInt64Array.from(values, BigInt),
});

export const texts = (values: string[]): Tensor => ({
  dtype: "string",
  shape: [values.length],
  data: values,
});

/** Numbers of a tensor, for comparisons. */
export function numbers(tensor: Tensor | undefined): number[] {
  return Array.from(tensor?.data ?? [], Number);
}
