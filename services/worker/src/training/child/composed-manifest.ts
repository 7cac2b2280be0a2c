import type { EmbeddingRole, HeadSettings, Manifest, Signature, Step } from "@modulehub/core";
import type { CompileTask } from "@modulehub/runtime";

/** The file of classes, a line each. */
export const LABELS = "labels.txt";
/** The graph's output, and the tensor's name between the steps. */
export const SCORES = "scores";

/** Examples that a trained module takes over from its base. */
const EXAMPLES = 4;

/**
 * How the composed module is used: the base's input and the steps that prepare it, then one run, then the labels. A
 * linear head answers its numbers.
 */
export function composedManifest(
  base: Manifest,
  { role, task, output }: { role: EmbeddingRole; task: CompileTask; output: HeadSettings["output"] },
): Manifest {
  const signature = base.signatures[role.signature]!;
  const run: Step = {
    run: { graph: task.graph, inputs: feedsOf(signature, task), outputs: { [SCORES]: SCORES } },
  };
  const before = (signature.steps ?? []).filter((step) => "tokenize" in step || "image" in step);
  const isLinear = output === "linear";
  const labels: Step = {
    labels: {
      from: SCORES,
      labels: LABELS,
      as: "top",
      ...(output === "sigmoid" && { independent: true }),
    },
  };
  const made: Signature = {
    inputs: signature.inputs,
    outputs: isLinear
      ? { [SCORES]: { dtype: "float32", shape: ["batch", 1] } }
      : {
          "top.labels": { dtype: "string", shape: ["batch", "classes"] },
          "top.scores": { dtype: "float32", shape: ["batch", "classes"] },
        },
    steps: [...before, run, ...(isLinear ? [] : [labels])],
  };
  const examples = (base.examples ?? [])
    .filter((example) => example.signature === role.signature)
    .slice(0, EXAMPLES)
    .map((example) => ({ ...example, signature: "default" }));
  return {
    schemaVersion: 1,
    task: `${role.takes}-${isLinear ? "regression" : "classification"}`,
    signatures: { default: made },
    ...(examples.length > 0 && { examples }),
  };
}

/** What the graph is fed, by the names of the signature; with what appended steps need besides the graph's own inputs. */
function feedsOf(signature: Signature, task: CompileTask): Record<string, string> {
  const run = (signature.steps ?? []).flatMap((step) => ("run" in step ? [step.run] : []))[0];
  const own = run?.inputs ?? Object.fromEntries(Object.keys(signature.inputs).map((name) => [name, name]));
  const added = task.inputs.map(({ input }) => [input, input.slice("modulehub:".length)]);
  return { ...own, ...Object.fromEntries(added) };
}
