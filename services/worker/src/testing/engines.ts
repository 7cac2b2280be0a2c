import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Signature, Tensor } from "@modulehub/core";
import { EngineProcess } from "../engines/engine-process.ts";

/** Limits for engines in tests. */
export const TEST_LIMITS = { memoryBytes: 2 ** 30, searchPath: process.env.PATH ?? "" };

/** A real engine that is ready. */
export async function testEngine(limits = TEST_LIMITS): Promise<EngineProcess> {
  const engine = new EngineProcess(limits);
  await engine.ready;
  return engine;
}

/** A module's folder with a graph, for engines to load. */
export async function moduleFolder(
  parent: string,
  name: string,
  graph: Uint8Array,
  signatures: Record<string, Signature>,
): Promise<string> {
  const folder = join(parent, name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "model.onnx"), graph);
  await writeFile(
    join(folder, "module.json"),
    JSON.stringify({ schemaVersion: 1, task: "test", signatures }),
  );
  return folder;
}

export const int64 = (...values: number[]): Tensor => ({
  dtype: "int64",
  shape: [values.length],
  data: BigInt64Array.from(values.map(BigInt)),
});

/** One row of three numbers, or several. */
export const rows3 = (...values: number[]): Tensor => ({
  dtype: "float32",
  shape: [values.length / 3, 3],
  data: Float32Array.from(values),
});
