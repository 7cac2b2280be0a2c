import { type InputTensor, problem, type Signature, type Tensor } from "@modulehub/core";
import type { LoadedTokenizer } from "./assets.ts";
import { checkInputs } from "./inputs.ts";
import type { Prepared, Truncation } from "./module.ts";
import type { Plan } from "./plan.ts";
import { tokenize } from "./steps/tokenize.ts";
import { cutWords } from "./steps/words.ts";

/** The steps before the run; see `Module.prepare`. */
export async function prepareInputs(
  signature: Signature,
  plan: Plan,
  inputs: ReadonlyMap<string, InputTensor>,
  tokenizerOf: (step: Plan["preparing"][number] & { kind: "tokenize" }) => Promise<LoadedTokenizer>,
): Promise<Prepared> {
  const items = checkInputs(signature, inputs);
  const truncated: Truncation[] = [];
  const named = new Map<string, InputTensor>(inputs);
  for (const [name, spec] of Object.entries(signature.inputs)) {
    const tensor = inputs.get(name);
    if (tensor?.dtype !== "string") continue;
    const cut = cutWords(name, spec, tensor);
    named.set(name, cut.tensor);
    truncated.push(...cut.truncated);
  }
  for (const preparing of plan.preparing) {
    const { step } = preparing;
    const input = named.get(step.from);
    if (!input) throw problem("manifest-mismatch", `No step makes ${step.from}.`);
    if (preparing.kind === "image") {
      if (input.dtype !== "image")
        throw problem("manifest-mismatch", `The image step reads ${step.from}, which is no image.`);
      // Engines compile graphs but never decode images: the library is loaded by those that need it.
      const { imageTensor } = await import("./steps/image.ts");
      named.set(step.as, await imageTensor(preparing.step, input));
      continue;
    }
    const { tokenizer, maxLength } = await tokenizerOf(preparing);
    const tokens = tokenize(preparing.step, tokenizer, tensorOnly(step.from, input), maxLength);
    for (const field of ["ids", "mask", "types"] as const) named.set(`${step.as}.${field}`, tokens[field]);
    truncated.push(...tokens.truncated);
  }
  const pick = (name: string): Tensor => {
    const tensor = named.get(name);
    if (!tensor) throw problem("manifest-mismatch", `No step before the run makes ${name}.`);
    return tensorOnly(name, tensor);
  };
  return {
    feeds: new Map([...plan.feeds].map(([graphInput, name]) => [graphInput, pick(name)])),
    kept: new Map([...plan.kept].map((name) => [name, pick(name)])),
    truncated,
    items,
  };
}

function tensorOnly(name: string, tensor: InputTensor): Tensor {
  if (tensor.dtype === "image")
    throw problem("manifest-mismatch", `${name} is an encoded image; decode it with an image step.`);
  return tensor;
}
