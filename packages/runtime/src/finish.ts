import { type LabelsStep, problem, type Signature, type Tensor } from "@modulehub/core";
import type { Prepared } from "./module.ts";
import type { Plan } from "./plan.ts";
import { topLabels } from "./steps/labels.ts";

/** The steps after the run and the choice of outputs; see `Module.finish`. */
export function finishOutputs(
  signature: Signature,
  plan: Plan,
  labelsOf: (path: string) => readonly string[],
  prepared: Pick<Prepared, "kept">,
  fetches: ReadonlyMap<string, Tensor>,
  outputs?: readonly string[],
  topK = Number.POSITIVE_INFINITY,
): Map<string, Tensor> {
  checkOutputNames(signature, outputs);
  const named = new Map(prepared.kept);
  for (const [name, output] of plan.fetches) {
    const tensor = fetches.get(output);
    if (!tensor) throw problem("manifest-mismatch", `The graph gave no output ${output}.`);
    named.set(name, tensor);
  }
  const wanted = outputs ?? Object.keys(signature.outputs);
  for (const step of plan.labels) {
    const made = [`${step.as}.labels`, `${step.as}.scores`];
    const from = named.get(step.from);
    if (!from || !made.some((name) => wanted.includes(name))) continue;
    const { labels, scores } = topLabels(fewer(step, topK), labelsOf(step.labels), from);
    named.set(`${step.as}.labels`, labels);
    named.set(`${step.as}.scores`, scores);
  }
  return new Map(
    wanted.map((name) => {
      const tensor = named.get(name);
      const spec = signature.outputs[name];
      if (!tensor || !spec) throw problem("manifest-mismatch", `No step makes the output ${name}.`);
      if (tensor.dtype !== spec.dtype || tensor.shape.length !== spec.shape.length)
        throw problem(
          "manifest-mismatch",
          `The output ${name} is ${tensor.dtype} [${tensor.shape}], but module.json says ${spec.dtype} [${spec.shape.join(", ")}].`,
        );
      return [name, tensor];
    }),
  );
}

/** The step with no more classes kept than somebody wants. */
const fewer = (step: LabelsStep, topK: number): LabelsStep =>
  topK < (step.topK ?? Number.POSITIVE_INFINITY) ? { ...step, topK } : step;

/** Throws `output-unknown` for names that are no outputs of the signature; to be asked before the run. */
export function checkOutputNames(signature: Signature, outputs: readonly string[] | undefined): void {
  for (const name of outputs ?? [])
    if (!Object.hasOwn(signature.outputs, name))
      throw problem(
        "output-unknown",
        `The signature has no output ${name.slice(0, 100)}; it has ${Object.keys(signature.outputs).join(", ")}.`,
      );
}
