import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Signature, Tensor } from "@modulehub/core";
import { openModule } from "@modulehub/runtime";
import type { SessionSpec } from "../engines/engine.ts";
import { EngineProcess } from "../engines/engine-process.ts";

/** Limits for engines in tests. */
export const TEST_LIMITS = {
  memoryBytes: 2 ** 30,
  searchPath: process.env.PATH ?? "",
  codeFolder: join(tmpdir(), "modulehub-test-code"),
};

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

/** What an engine is told to load the signature `default` of a folder. */
export async function loadSpec(folder: string): Promise<SessionSpec> {
  const { compileTask } = await openModule(folder);
  return {
    folder,
    signature: "default",
    task: compileTask("default"),
    threads: 1,
    executionProviders: ["cpu"],
  };
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
