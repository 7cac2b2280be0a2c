import { createHash, randomUUID } from "node:crypto";
import { closeSync, createReadStream, openSync } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { type Dtype, problem, type Signature } from "@modulehub/core";
import {
  appendSteps,
  type Dimension,
  decodeModel,
  type ModelProto,
  openSource,
  tensorValue,
  writeModel,
} from "@modulehub/onnx";
import type { CompiledGraph } from "./module.ts";
import type { Plan } from "./plan.ts";

/** Part of the file's name, so that a change to what is appended makes another file. Raise it with any. */
const COMPILER = 1;

/**
 * Writes the graph that engines load; see `Module.compile`. The file's name is told by the graph's digest (computed
 * where it isn't given) and the steps, so it is found again, and it appears whole or not at all. Blocks the thread
 * while weights are copied. Throws the codes of reading a model, `graph-invalid`, and `manifest-mismatch` where the
 * graph lacks what the steps name.
 */
export async function compileGraph(
  folder: string,
  signature: Signature,
  plan: Plan,
  digest?: string,
): Promise<CompiledGraph> {
  const original = join(folder, plan.run.graph);
  if (!(await exists(original)))
    throw problem(
      "manifest-mismatch",
      `module.json names ${plan.run.graph}, which is not a file of the module.`,
    );
  const fetches = [...new Set(plan.fetches.values())];
  const feeds = [...plan.feeds.keys()];
  if (plan.appended.length === 0) return { path: original, feeds, fetches };
  const inputs = [...plan.addedInputs].map(([input, name]) => ({ input, ...typeBefore(signature, name) }));
  const identity = JSON.stringify([
    COMPILER,
    digest ?? (await fileDigest(original)),
    inputs,
    plan.appended,
    fetches,
  ]);
  const name = `.compiled-${createHash("sha256").update(identity).digest("hex").slice(0, 32)}.onnx`;
  const path = join(dirname(original), name);
  if (await exists(path)) return { path, feeds, fetches };
  const unfinished = `${path}.${randomUUID()}`;
  try {
    using source = openSource(original);
    const model = withInputs(decodeModel(source), inputs);
    const compiled = appendSteps(model, plan.appended, fetches);
    const descriptor = openSync(unfinished, "wx");
    try {
      writeModel(compiled, descriptor);
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

interface AddedInput {
  input: string;
  dtype: Dtype;
  shape: Dimension[];
}

function withInputs(model: ModelProto, inputs: readonly AddedInput[]): ModelProto {
  if (inputs.length === 0 || !model.graph) return model;
  const added = inputs.map(({ input, dtype, shape }) => tensorValue(input, dtype, shape));
  return { ...model, graph: { ...model.graph, input: [...model.graph.input, ...added] } };
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

async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return `sha256:${hash.digest("hex")}`;
}

async function exists(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  return found !== undefined;
}
