import type { Manifest } from "./manifest.ts";
import { problem } from "./problem.ts";
import { graphPath, type Signature } from "./signature.ts";

/** How `embed` and `classify` use a module: through one signature, one input, and fixed outputs. */
export interface TaskRole {
  signature: string;
  /** The input that takes the texts or images, and which of the two. */
  input: string;
  takes: "text" | "image";
}

export interface EmbeddingRole extends TaskRole {
  /** The output that is the embedding, float [batch, features]. */
  output: string;
}

export interface ClassificationRole extends TaskRole {
  /** Outputs string [batch, k] and float [batch, k], best first. */
  labels: string;
  scores: string;
  /** Any number of the labels may hold at once. */
  independent: boolean;
}

const EMBEDDING_TASKS = ["text-embedding", "image-feature-vector"];
const CLASSIFICATION_TASKS = ["text-classification", "image-classification"];

/**
 * Which output of a module is its embedding: `default`, else the first float one of two dimensions, of the
 * signature `default`, else of the first. Throws `task-mismatch` where the module doesn't embed.
 */
export function embeddingOutput(manifest: Manifest): EmbeddingRole {
  const role = roleFor(manifest, EMBEDDING_TASKS, "embed");
  const outputs = Object.entries(role.declared.outputs).filter(
    ([, { dtype, shape }]) => dtype.startsWith("float") && shape.length === 2,
  );
  const output = outputs.find(([name]) => name === "default") ?? outputs[0];
  if (!output) throw problem("task-mismatch", "The module has no float output [batch, features]; use infer.");
  return { signature: role.signature, input: role.input, takes: role.takes, output: output[0] };
}

/**
 * Which outputs of a module are labels and scores: those of the labels step of the signature `default`, else of
 * the first. Throws `task-mismatch` where the module doesn't classify.
 */
export function classificationOutput(manifest: Manifest): ClassificationRole {
  const { declared, ...role } = roleFor(manifest, CLASSIFICATION_TASKS, "classify");
  for (const step of declared.steps ?? []) {
    if (!("labels" in step)) continue;
    const labels = `${step.labels.as}.labels`;
    const scores = `${step.labels.as}.scores`;
    if (Object.hasOwn(declared.outputs, labels) && Object.hasOwn(declared.outputs, scores))
      return { ...role, labels, scores, independent: step.labels.independent ?? false };
  }
  throw problem(
    "task-mismatch",
    "The module has no labels step whose labels and scores are outputs; use infer.",
  );
}

function roleFor(
  manifest: Manifest,
  tasks: readonly string[],
  operation: string,
): TaskRole & { declared: Signature } {
  if (!tasks.includes(manifest.task))
    throw problem(
      "task-mismatch",
      `The module's task is ${manifest.task}; ${operation} is for ${tasks.join(" and ")}. Use infer.`,
    );
  const signature = Object.hasOwn(manifest.signatures, "default")
    ? "default"
    : Object.keys(manifest.signatures)[0]!;
  const declared = manifest.signatures[signature]!;
  const takes = manifest.task.startsWith("image") ? "image" : "text";
  const dtype = takes === "image" ? "image" : "string";
  const inputs = Object.entries(declared.inputs);
  const [only] = inputs;
  if (!only || inputs.length !== 1 || only[1].dtype !== dtype || only[1].shape.length !== 1)
    throw problem(
      "task-mismatch",
      `${operation} needs exactly one input, ${dtype} [batch], in ${graphPath(declared)}'s signature; use infer.`,
    );
  return { signature, input: only[0], takes, declared };
}
