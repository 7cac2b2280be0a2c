import { randomUUID } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { problem } from "@modulehub/core/problem";
import {
  appendSteps,
  type ByteSource,
  decodeModel,
  encodeModel,
  type ModelProto,
  openSource,
  tensorValue,
  writeModel,
} from "@modulehub/onnx";
import { type CompileTask, exists } from "./compile-task.ts";
import type { CompiledGraph } from "./module.ts";

/**
 * Writes the graph that engines load; see `Module.compile`. It appears whole or not at all, in place of whatever
 * had its name: a file that came with the module is never taken for it. Blocks the thread while weights are copied.
 * Throws the codes of reading a model, `graph-invalid`, and `manifest-mismatch` where the graph lacks what the steps
 * name.
 */
export async function compileGraph(folder: string, task: CompileTask): Promise<CompiledGraph> {
  const { compiled, feeds, fetches } = task;
  const original = await originalOf(folder, task);
  if (compiled === null) return { path: original, feeds, fetches };
  const path = join(dirname(original), compiled);
  const unfinished = `${path}.${randomUUID()}`;
  try {
    using source = openSource(original);
    const descriptor = openSync(unfinished, "wx");
    try {
      writeModel(withSteps(source, task), descriptor);
    } finally {
      closeSync(descriptor);
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  return { path, feeds, fetches };
}

/** What `compileGraph` would write, for where there is no room to: its bytes, and the folder of its external data. */
export async function compiledBytes(
  folder: string,
  task: CompileTask,
): Promise<{ bytes: Uint8Array; dataFolder: string }> {
  const original = await originalOf(folder, task);
  using source = openSource(original);
  return { bytes: Buffer.concat([...encodeModel(withSteps(source, task))]), dataFolder: dirname(original) };
}

async function originalOf(folder: string, task: CompileTask): Promise<string> {
  const original = join(folder, task.graph);
  if (!(await exists(original)))
    throw problem("manifest-mismatch", `module.json names ${task.graph}, which is not a file of the module.`);
  return original;
}

const withSteps = (source: ByteSource, { inputs, appended, fetches }: CompileTask): ModelProto =>
  appendSteps(withInputs(decodeModel(source), inputs), appended, fetches);

/** A model with inputs that its graph lacks and appended steps read. */
export function withInputs(model: ModelProto, inputs: CompileTask["inputs"]): ModelProto {
  if (inputs.length === 0 || !model.graph) return model;
  const added = inputs.map(({ input, dtype, shape }) => tensorValue(input, dtype, shape));
  return { ...model, graph: { ...model.graph, input: [...model.graph.input, ...added] } };
}
