import {
  classificationOutput,
  embeddingOutput,
  type InputTensor,
  problem,
  type TaskRole,
  type Tensor,
} from "@modulehub/core";
import type { Inference } from "../inference.ts";
import type { ModuleLease } from "../modules/module-cache.ts";
import type { Asked } from "./job-process.ts";

/** A run of a job waits for whatever serves somebody; it is given up when the job is. */
const RUN_MS = 3_600_000;

/**
 * Runs a module on items of a data set, through the same scheduler as everybody's requests, behind all of them.
 * Answers with `rows`, float32 [items, features], or `labels` and `scores` [items, k], best first. Throws the codes of
 * inputs and of the module's engine, `task-mismatch` for images where the module takes texts.
 */
export async function runItems(
  inference: Inference,
  lease: ModuleLease,
  { operation }: Extract<Asked, { kind: "run" }>,
  tensors: ReadonlyMap<string, Tensor>,
  signal: AbortSignal,
): Promise<Map<string, Tensor>> {
  const submission = {
    caller: "jobs",
    signal,
    deadline: performance.now() + RUN_MS,
    priority: "background",
  } as const;
  const { manifest } = lease;
  if (operation === "embed") {
    const role = embeddingOutput(manifest);
    const call = { signature: role.signature, inputs: itemsOf(role, tensors), outputs: [role.output] };
    const { outputs } = await inference.infer(lease, call, submission);
    const rows = outputs.get(role.output);
    if (rows?.dtype !== "float32" || rows.shape.length !== 2)
      throw problem("task-mismatch", "The module's embedding is not float32 [batch, features].");
    return new Map([["rows", rows]]);
  }
  const role = classificationOutput(manifest);
  const call = {
    signature: role.signature,
    inputs: itemsOf(role, tensors),
    outputs: [role.labels, role.scores],
  };
  const { outputs } = await inference.infer(lease, call, submission);
  return new Map([
    ["labels", outputs.get(role.labels)!],
    ["scores", outputs.get(role.scores)!],
  ]);
}

/** Items as the module's one input. */
function itemsOf(role: TaskRole, tensors: ReadonlyMap<string, Tensor>): Map<string, InputTensor> {
  const texts = tensors.get("texts");
  const isText = texts !== undefined;
  if (isText !== (role.takes === "text"))
    throw problem(
      "task-mismatch",
      `The module takes ${role.takes}s; the data set holds ${isText ? "texts" : "images"}.`,
    );
  if (isText) return new Map([[role.input, texts]]);
  const images = [...tensors.values()].map(({ data }) => data);
  const data = images.map((bytes) => {
    if (!(bytes instanceof Uint8Array)) throw new TypeError("an image is not bytes");
    return bytes;
  });
  return new Map([[role.input, { dtype: "image", shape: [data.length], data }]]);
}
