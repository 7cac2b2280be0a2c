import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Signature } from "@modulehub/core";
import type { Dtype } from "@modulehub/core/dtype";
import { problem } from "@modulehub/core/problem";
import type { AppendedStep, Dimension } from "@modulehub/onnx";
import type { CompiledGraph } from "./module.ts";
import type { Plan } from "./plan.ts";

/*
 * Imported by engines, which are many and start often: no import here may bring schemas or the code that edits
 * graphs with it.
 */

/** Names of compiled graphs begin so. A file of a publisher's under such a name is never loaded. */
export const COMPILED_PREFIX = ".compiled-";

/** Part of the file's name, so that a change to what is appended makes another file. Raise it with any. */
const COMPILER = 1;

/** What engines load for a signature, and how it is made from the module's graph. Plain data. */
export interface CompileTask {
  /** Path of the original graph in the module. */
  graph: string;
  /** Name of the file beside it that engines load; null where they load the original. */
  compiled: string | null;
  /** Inputs that the original lacks. */
  inputs: { input: string; dtype: Dtype; shape: Dimension[] }[];
  appended: AppendedStep[];
  feeds: string[];
  fetches: string[];
}

/** The task of a signature. Throws `manifest-mismatch` where nothing makes what a step after the run reads. */
export function compileTask(signature: Signature, plan: Plan): CompileTask {
  const { graph } = plan.run;
  const { appended } = plan;
  const fetches = [...new Set(plan.fetches.values())];
  const feeds = [...plan.feeds.keys()];
  const inputs = [...plan.addedInputs].map(([input, name]) => ({ input, ...typeBefore(signature, name) }));
  const identity = createHash("sha256").update(JSON.stringify([COMPILER, graph, inputs, appended, fetches]));
  const name = `${COMPILED_PREFIX}${identity.digest("hex").slice(0, 32)}.onnx`;
  return { graph, compiled: appended.length === 0 ? null : name, inputs, appended, feeds, fetches };
}

/** What is known of a tensor that is made before the run. */
function typeBefore(signature: Signature, name: string): { dtype: Dtype; shape: Dimension[] } {
  const input = Object.hasOwn(signature.inputs, name) ? signature.inputs[name] : undefined;
  if (input && input.dtype !== "image") return { dtype: input.dtype, shape: [...input.shape] };
  for (const step of signature.steps ?? []) {
    if ("tokenize" in step && name.startsWith(`${step.tokenize.as}.`))
      return { dtype: "int64", shape: ["batch", "sequence"] };
    if ("image" in step && step.image.as === name)
      return { dtype: step.image.dtype ?? "float32", shape: ["batch", "axis1", "axis2", "axis3"] };
  }
  throw problem("manifest-mismatch", `No step before the run makes ${name}.`);
}

/** Path of the graph that engines load, whether it is there or has to be compiled first. */
export const graphPath = (folder: string, { graph, compiled }: CompileTask): string =>
  compiled === null ? join(folder, graph) : join(folder, dirname(graph), compiled);

/**
 * The graph that engines load, where it is there already. Only for folders in which nobody else's file can bear a
 * compiled graph's name: what is found is taken for the hub's own.
 */
export async function findCompiled(folder: string, task: CompileTask): Promise<CompiledGraph | undefined> {
  const { feeds, fetches } = task;
  const path = graphPath(folder, task);
  return (await exists(path)) ? { path, feeds, fetches } : undefined;
}

/** Whether there is a file; an error of looking is thrown, never taken for an absence. */
export async function exists(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  return found !== undefined;
}
