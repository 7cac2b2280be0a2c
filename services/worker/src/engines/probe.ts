import { randomUUID } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Signature } from "@modulehub/core";
import { GraphBuilder } from "@modulehub/onnx";
import { compileTask, planSignature } from "@modulehub/runtime";
import type { ChildLimits } from "./child-process.ts";
import { EngineProcess } from "./engine-process.ts";

const PROBE_MS = 20_000;

/**
 * Opens and runs the smallest of graphs in an engine, as modules will be: an execution provider counts as
 * usable only when it has run something. Throws where engines can't do that here.
 */
export async function probeProviders(
  limits: ChildLimits,
  cacheFolder: string,
): Promise<{ runtimeVersion: string; executionProviders: string[] }> {
  const folder = join(cacheFolder, `probe-${randomUUID()}`);
  const engine = new EngineProcess(limits);
  try {
    await mkdir(folder, { recursive: true });
    const identity = new GraphBuilder({ name: "probe" });
    identity.output("y", identity.identity(identity.input("x", "float32", ["batch"])));
    await writeFile(join(folder, "model.onnx"), identity.toBytes());
    const spec = { dtype: "float32" as const, shape: ["batch"] };
    const signature: Signature = { inputs: { x: spec }, outputs: { y: spec } };
    const task = compileTask(signature, planSignature(signature));
    const { runtimeVersion } = await engine.ready;
    const load = { folder, signature: "default", task, threads: 1 };
    const { executionProviders } = await engine.load(load, PROBE_MS);
    const feeds = new Map([["x", { dtype: "float32" as const, shape: [2], data: Float32Array.of(1, 2) }]]);
    const output = (await engine.run("default", feeds, PROBE_MS)).get("y");
    if (output?.dtype !== "float32" || output.data.join() !== "1,2")
      throw new Error("An engine answers, but not what the graph says.");
    return { runtimeVersion, executionProviders };
  } finally {
    engine.kill();
    await engine.exited;
    await rm(folder, { recursive: true, force: true });
  }
}
