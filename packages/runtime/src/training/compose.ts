import {
  embeddingOutput,
  type HeadSettings,
  type Manifest,
  manifestSchema,
  type Signature,
  type Step,
  type TensorSpec,
} from "@modulehub/core";
import { problem } from "@modulehub/core/problem";
import {
  appendSteps,
  buildHead,
  cutOutputs,
  type HeadEnds,
  inferTypes,
  joinModels,
  type ModelProto,
  opsetOf,
  renameValues,
} from "@modulehub/onnx";
import { withInputs } from "../compile.ts";
import { compileTask } from "../compile-task.ts";
import { planSignature } from "../plan.ts";

export interface Composition {
  /** The base's graph; for a base that was trained too, with its trained tables. */
  base: ModelProto;
  manifest: Manifest;
  head: HeadSettings;
  ends: HeadEnds;
  parameters: ReadonlyMap<string, Float32Array>;
  /** One a class, in the order of the outputs; none for a linear output. */
  labels: readonly string[];
  description?: string;
}

export interface ComposedModule {
  /** Goes to the place of the base's graph, so that its external data stays where it is looked for. */
  graphPath: string;
  model: ModelProto;
  manifest: Manifest;
  /** Contents of `LABELS_FILE`; null for a linear output. */
  labels: string | null;
}

/** Name of the labels file in a composed module. */
export const LABELS_FILE = "labels.txt";

/** The embedding of a module as the graph that makes it: pooling and normalising included. */
export interface EmbeddingGraph {
  model: ModelProto;
  /** The graph's output that is the embedding. */
  output: string;
  graphPath: string;
  signature: Signature;
}

/**
 * The graph that makes a module's embedding, with the steps of its manifest that become operators. Throws
 * `task-mismatch` where the module doesn't embed, and the codes of appending steps.
 */
export function embeddingGraph(base: ModelProto, manifest: Manifest): EmbeddingGraph {
  const role = embeddingOutput(manifest);
  const signature = manifest.signatures[role.signature]!;
  const only: Signature = { ...signature, outputs: { [role.output]: signature.outputs[role.output]! } };
  const plan = planSignature(only);
  const output = plan.fetches.get(role.output);
  if (output === undefined) throw problem("task-mismatch", "The embedding isn't made by the module's graph.");
  const { inputs, appended, graph } = compileTask(only, plan);
  const model =
    appended.length === 0
      ? cutOutputs(base, [output])
      : appendSteps(withInputs(base, inputs), appended, [output]);
  return { model, output, graphPath: graph, signature: only };
}

/**
 * A classifier as one self-contained module: the base's preparation, its graph with the head behind it, and the labels.
 * Weights of the base are not read: they stay where they are, external ones in their files. Throws `task-mismatch` for a
 * base that doesn't embed, and `graph-invalid` where base and head don't fit each other.
 */
export function composeClassifier(composition: Composition): ComposedModule {
  const { manifest, head, ends, parameters, labels } = composition;
  if (head.output !== "linear" && labels.length !== ends.outputs)
    throw problem("graph-invalid", `There are ${labels.length} labels for ${ends.outputs} outputs.`);
  const embedding = embeddingGraph(composition.base, manifest);
  const base = withoutOurNames(embedding.model);
  const dtype = inferTypes(base.graph!).get(embedding.output)?.dtype ?? "float32";
  const behind = buildHead(head, ends, parameters, { opset: opsetOf(base), dtype });
  const model = joinModels(base, behind, { feeds: new Map([["features", embedding.output]]) });
  const composed: Manifest = {
    schemaVersion: 1,
    task: taskOf(manifest, head.output),
    signatures: { default: composedSignature(embedding, composition) },
    ...(manifest.examples && {
      examples: manifest.examples
        .filter(({ signature }) => manifest.signatures[signature] !== undefined)
        .filter(({ signature }) => signature === embeddingOutput(manifest).signature)
        .map((example) => ({ ...example, signature: "default" })),
    }),
  };
  return {
    graphPath: embedding.graphPath,
    model,
    // Checked as any manifest that comes from outside: what is published must be readable.
    manifest: manifestSchema.parse(composed),
    labels: head.output === "linear" ? null : `${labels.join("\n")}\n`,
  };
}

const OUTPUTS = ["logits", "scores"];

/** Frees the names of the head's outputs. */
function withoutOurNames(model: ModelProto): ModelProto {
  const graph = model.graph;
  const inputs = new Set(graph?.input.map(({ name }) => name));
  const made = new Set([
    ...(graph?.initializer ?? []).map(({ name }) => name),
    ...(graph?.node ?? []).flatMap(({ output }) => output),
  ]);
  const clashing = OUTPUTS.filter((name) => made.has(name));
  if (OUTPUTS.some((name) => inputs.has(name)))
    throw problem("graph-invalid", `The base has an input of the name ${OUTPUTS.join(" or ")}.`);
  return clashing.length === 0
    ? model
    : renameValues(model, new Map(clashing.map((name) => [name, `base/${name}`])));
}

function taskOf({ task }: Manifest, output: HeadSettings["output"]): string {
  const kind = task.startsWith("image") ? "image" : "text";
  return output === "linear" ? `${kind}-regression` : `${kind}-classification`;
}

function composedSignature(
  { signature, graphPath }: EmbeddingGraph,
  { head, ends, description }: Composition,
): Signature {
  const plan = planSignature(signature);
  const preparing = (signature.steps ?? []).filter(
    (step): step is Step => "tokenize" in step || "image" in step,
  );
  const numbers: TensorSpec = { dtype: "float32", shape: ["batch", ends.outputs] };
  const isLinear = head.output === "linear";
  const name = freeName(signature, preparing);
  const [logits, scores, classes] = [name("default"), name("probabilities"), name("classes")];
  return {
    ...(description !== undefined && { description }),
    inputs: signature.inputs,
    outputs: {
      [logits]: isLinear ? numbers : { ...numbers, description: `logits, in the order of ${LABELS_FILE}` },
      ...(!isLinear && {
        [`${classes}.labels`]: { dtype: "string", shape: ["batch", ends.outputs] },
        [`${classes}.scores`]: numbers,
      }),
    },
    steps: [
      ...preparing,
      {
        run: {
          graph: graphPath,
          inputs: Object.fromEntries(plan.feeds),
          outputs: isLinear ? { logits } : { logits, scores },
        },
      },
      ...(isLinear
        ? []
        : [
            {
              labels: {
                from: scores,
                labels: LABELS_FILE,
                ...(head.output === "sigmoid" && { independent: true }),
                as: classes,
              },
            },
          ]),
    ],
  };
}

/** Names that nothing before the run has. */
function freeName({ inputs }: Signature, preparing: readonly Step[]): (wanted: string) => string {
  const taken = new Set(Object.keys(inputs));
  for (const step of preparing) {
    if ("tokenize" in step)
      for (const field of ["ids", "mask", "types"]) taken.add(`${step.tokenize.as}.${field}`);
    if ("image" in step) taken.add(step.image.as);
  }
  return (wanted) => {
    let name = wanted;
    while (taken.has(name)) name = `${name}-`;
    return name;
  };
}
