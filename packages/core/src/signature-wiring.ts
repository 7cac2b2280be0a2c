import type { Signature, TensorSpec } from "./signature.ts";
import { type ImageStep, type Step, stepNames } from "./steps.ts";

/**
 * What is wrong with a signature that its form does not show, a sentence each: how steps are wired to inputs,
 * outputs and each other. That the graph fits is for inspection to say.
 */
export function signatureFaults(signature: Signature): string[] {
  const faults = specFaults(signature);
  return signature.steps === undefined
    ? [...faults, ...imagesWithoutStep(signature.inputs)]
    : [...faults, ...wiringFaults(signature, signature.steps)];
}

function specFaults({ inputs, outputs, graph, steps }: Signature): string[] {
  const faults: string[] = [];
  if (Object.keys(inputs).length === 0) faults.push("A signature needs at least one input.");
  if (Object.keys(outputs).length === 0) faults.push("A signature needs at least one output.");
  for (const [name, spec] of Object.entries(inputs))
    if (spec.maxWords !== undefined && spec.dtype !== "string")
      faults.push(`Input ${name} has maxWords, which is for strings only.`);
  for (const [name, spec] of Object.entries(outputs)) {
    if (spec.dtype === "image") faults.push(`Output ${name} can't be an image.`);
    if (spec.maxWords !== undefined) faults.push(`Output ${name} has maxWords, which is for inputs only.`);
  }
  if (graph !== undefined && steps !== undefined)
    faults.push("graph is only for signatures without steps; the run step names the graph here.");
  return faults;
}

const imagesWithoutStep = (inputs: Readonly<Record<string, TensorSpec>>): string[] =>
  Object.entries(inputs)
    .filter(([, spec]) => spec.dtype === "image")
    .map(([name]) => `Input ${name} is an image, which needs an image step.`);

function wiringFaults({ inputs, outputs }: Signature, steps: readonly Step[]): string[] {
  const faults: string[] = [];
  /** Every name so far, and what made it. */
  const makers = new Map<string, Step | "input">(Object.keys(inputs).map((name) => [name, "input"]));
  const read = new Set<string>();
  let runs = 0;
  for (const [index, step] of steps.entries()) {
    const { reads, makes } = stepNames(step);
    for (const name of reads) {
      read.add(name);
      const maker = makers.get(name);
      if (maker === undefined) faults.push(`Step ${index} reads ${name}, which nothing before it makes.`);
      else if (maker !== "input" && "labels" in maker)
        faults.push(`Step ${index} reads ${name}, but what a labels step makes can only be an output.`);
      else faults.push(...readFaults(index, step, name, maker === "input" ? inputs[name] : undefined));
    }
    for (const name of makes) {
      if (makers.has(name)) faults.push(`Step ${index} makes ${name}, which exists already.`);
      else makers.set(name, step);
    }
    const preparing = "tokenize" in step || "image" in step;
    if ("run" in step) runs += 1;
    else if (preparing && runs > 0) faults.push(`Step ${index} must come before the run step.`);
    else if (!preparing && runs === 0) faults.push(`Step ${index} must come after the run step.`);
    if ("image" in step) faults.push(...channelFaults(index, step.image));
  }
  if (runs !== 1) faults.push(`A signature has exactly one run step, not ${runs}.`);
  for (const name of Object.keys(outputs))
    if (!makers.has(name)) faults.push(`Output ${name} is made by no step.`);
  for (const name of Object.keys(inputs))
    if (!read.has(name) && !Object.hasOwn(outputs, name)) faults.push(`Input ${name} is read by no step.`);
  return faults;
}

/** Whether a step can take what it reads; `spec` is there where that is an input of the signature. */
function readFaults(index: number, step: Step, name: string, spec: TensorSpec | undefined): string[] {
  if ("tokenize" in step)
    return spec?.dtype === "string" ? [] : [`Step ${index} tokenizes ${name}, which is no string input.`];
  if ("image" in step)
    return spec?.dtype === "image" ? [] : [`Step ${index} decodes ${name}, which is no image input.`];
  return spec?.dtype === "image"
    ? [`Step ${index} reads ${name}, an image: an image step must decode it.`]
    : [];
}

function channelFaults(index: number, { channels, mean, deviation }: ImageStep): string[] {
  const count = channels === "gray" ? 1 : 3;
  return Object.entries({ mean, deviation })
    .filter(([, values]) => values !== undefined && values.length !== count)
    .map(
      ([field, values]) => `Step ${index} has ${values?.length} values in ${field} for ${count} channels.`,
    );
}
