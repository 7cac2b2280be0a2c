import { z } from "zod";
import { DTYPE_NAMES } from "./dtype.ts";
import { signatureFaults } from "./signature-wiring.ts";
import { filePath, type RunStep, step, tensorName } from "./steps.ts";

/** A number, or the name of a dimension that is known only when the module runs, such as `batch`. */
const dimension = z.union([
  z.int().min(0),
  z.string().regex(/^[A-Za-z_][\w.-]{0,127}$/, "must be a number from 0 up, or a name"),
]);
export type Dimension = z.infer<typeof dimension>;

const tensorSpec = z.strictObject({
  /** ONNX Runtime's name, or `image`: an encoded JPEG, PNG or WebP file an element. */
  dtype: z.enum([...DTYPE_NAMES, "image"]),
  shape: z.array(dimension).max(32),
  /** Strings only: words (separated by white space) beyond this number are cut, and the answer says so. */
  maxWords: z.int().min(1).max(1_000_000).optional(),
  description: z.string().max(2000).optional(),
});
export type TensorSpec = z.infer<typeof tensorSpec>;

export const signatureSchema = z
  .strictObject({
    description: z.string().max(2000).optional(),
    inputs: z.record(tensorName, tensorSpec),
    outputs: z.record(tensorName, tensorSpec),
    /** Only without `steps`: the graph whose own inputs and outputs these are. Default `model.onnx`. */
    graph: filePath.optional(),
    steps: z.array(step).min(1).max(64).optional(),
  })
  .check((context) => {
    for (const message of signatureFaults(context.value))
      context.issues.push({ code: "custom", message, input: context.value });
  });

/** One way of using a module: named and typed inputs and outputs, and the steps between them. */
export type Signature = z.infer<typeof signatureSchema>;

/** The graph file that a signature runs. */
export function graphPath(signature: Signature): string {
  return runStep(signature).graph;
}

/** The run step of a signature; for one without steps, the step that its graph's own names amount to. */
export function runStep(signature: Signature): RunStep {
  for (const step of signature.steps ?? []) if ("run" in step) return step.run;
  const same = (names: Record<string, TensorSpec>) =>
    Object.fromEntries(Object.keys(names).map((name) => [name, name]));
  return {
    graph: signature.graph ?? "model.onnx",
    inputs: same(signature.inputs),
    outputs: same(signature.outputs),
  };
}

/** The asset files that a signature's steps read. */
export function assetPaths(signature: Signature): string[] {
  return (signature.steps ?? []).flatMap((step) => {
    if ("tokenize" in step) return [step.tokenize.tokenizer];
    if ("labels" in step) return [step.labels.labels];
    return [];
  });
}
