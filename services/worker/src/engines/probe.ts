import { randomUUID } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ProblemError, type Signature } from "@modulehub/core";
import { GraphBuilder } from "@modulehub/onnx";
import { compileTask, planSignature } from "@modulehub/runtime";
import type { ChildLimits } from "./child-process.ts";
import { EngineProcess } from "./engine-process.ts";

const PROBE_MS = 20_000;

/** What engines can do here. */
export interface Probed {
  runtimeVersion: string;
  /** Execution providers that really ran something, in the configured order: those that modules run on. */
  executionProviders: string[];
  /** Those that are configured and did not, and why. */
  unavailable: { executionProvider: string; reason: string }[];
}

/**
 * Opens and runs the smallest of graphs in an engine with each execution provider by itself, as modules will be: one
 * counts as usable only when it has run something. Throws an Error where none has.
 */
export async function probeProviders(
  limits: ChildLimits,
  cacheFolder: string,
  configured: readonly string[],
): Promise<Probed> {
  const folder = join(cacheFolder, `probe-${randomUUID()}`);
  const found: Probed = { runtimeVersion: "", executionProviders: [], unavailable: [] };
  try {
    await mkdir(folder, { recursive: true });
    const identity = new GraphBuilder({ name: "probe" });
    identity.output("y", identity.identity(identity.input("x", "float32", ["batch"])));
    await writeFile(join(folder, "model.onnx"), identity.toBytes());
    for (const executionProvider of configured)
      try {
        found.runtimeVersion = await probe(limits, folder, executionProvider);
        found.executionProviders.push(executionProvider);
      } catch (error) {
        found.unavailable.push({ executionProvider, reason: reasonOf(error) });
      }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  if (found.executionProviders.length === 0)
    throw new Error(found.unavailable.map((each) => `${each.executionProvider}: ${each.reason}`).join("; "));
  return found;
}

/** Returns the version of ONNX Runtime. */
async function probe(limits: ChildLimits, folder: string, executionProvider: string): Promise<string> {
  const engine = new EngineProcess(limits);
  try {
    const spec = { dtype: "float32" as const, shape: ["batch"] };
    const signature: Signature = { inputs: { x: spec }, outputs: { y: spec } };
    const task = compileTask(signature, planSignature(signature));
    const { runtimeVersion } = await engine.ready;
    const executionProviders = [executionProvider];
    await engine.load({ folder, signature: "default", task, threads: 1, executionProviders }, PROBE_MS);
    const feeds = new Map([["x", { dtype: "float32" as const, shape: [2], data: Float32Array.of(1, 2) }]]);
    const output = (await engine.run("default", feeds, PROBE_MS)).get("y");
    if (output?.dtype !== "float32" || output.data.join() !== "1,2")
      throw new Error("It answers, but not what the graph says.");
    return runtimeVersion;
  } finally {
    engine.kill();
    await engine.exited;
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof ProblemError || error instanceof Error ? error.message.slice(0, 300) : String(error);
