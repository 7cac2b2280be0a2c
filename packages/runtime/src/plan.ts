import {
  type ImageStep,
  type LabelsStep,
  problem,
  type RunStep,
  runStep,
  type Signature,
  type Step,
  stepNames,
  type TokenizeStep,
} from "@modulehub/core";
import type { AppendedStep } from "@modulehub/onnx";

/** Prefix of the names that compiling adds to a graph. */
const ADDED = "modulehub:";

/** A step before the run. */
export type PreparingStep = { kind: "tokenize"; step: TokenizeStep } | { kind: "image"; step: ImageStep };

/** A signature sorted into what happens before, in and after the graph. Told by the manifest alone. */
export interface Plan {
  preparing: PreparingStep[];
  run: RunStep;
  /** Steps that become operators of the graph, in the graph's names. Those that nothing needs are left out. */
  appended: AppendedStep[];
  labels: LabelsStep[];
  /** Graph input → the tensor that is fed, by its name in the signature; those added for appended steps too. */
  feeds: Map<string, string>;
  /** Inputs that compiling adds to the graph: a pool's mask that the graph doesn't take. */
  addedInputs: Map<string, string>;
  /** Tensor, by its name in the signature → graph output to fetch. Only what is needed after the run. */
  fetches: Map<string, string>;
  /** Tensors that are needed after the run and made before it. */
  kept: Set<string>;
}

/** The plan of a signature. Throws `manifest-mismatch` where a step reads what is only known after the run. */
export function planSignature(signature: Signature): Plan {
  const run = runStep(signature);
  const plan: Plan = {
    preparing: [],
    run,
    appended: [],
    labels: [],
    feeds: new Map(Object.entries(run.inputs)),
    addedInputs: new Map(),
    fetches: new Map(),
    kept: new Set(),
  };
  const needed = new Set(Object.keys(signature.outputs));
  const afterRun = new Set<string>();
  for (const step of signature.steps ?? []) {
    for (const name of stepNames(step).reads)
      if (afterRun.has(name))
        throw problem("manifest-mismatch", `A step reads ${name} of a labels step; only outputs can.`);
    if ("tokenize" in step) plan.preparing.push({ kind: "tokenize", step: step.tokenize });
    if ("image" in step) plan.preparing.push({ kind: "image", step: step.image });
    if (!("labels" in step)) continue;
    plan.labels.push(step.labels);
    for (const name of stepNames(step).makes) afterRun.add(name);
    needed.add(step.labels.from);
  }
  const made = appendNeeded(plan, signature.steps ?? [], needed);
  for (const name of needed) {
    if (afterRun.has(name)) continue;
    const output = made.get(name);
    if (output === undefined) plan.kept.add(name);
    else plan.fetches.set(name, output);
  }
  return plan;
}

/** Fills `appended` and the inputs it adds. Returns the graph's name of every tensor that the graph makes. */
function appendNeeded(plan: Plan, steps: readonly Step[], needed: ReadonlySet<string>): Map<string, string> {
  const used = new Set(needed);
  const inGraph: AppendedStep[] = [];
  for (const step of steps.toReversed()) {
    if (!("pool" in step || "normalize" in step || "softmax" in step || "sigmoid" in step)) continue;
    const { reads, makes } = stepNames(step);
    if (!makes.some((name) => used.has(name))) continue;
    for (const name of reads) used.add(name);
    inGraph.unshift(step);
  }
  const made = new Map(Object.entries(plan.run.outputs).map(([output, name]) => [name, output]));
  const fed = new Map(Object.entries(plan.run.inputs).map(([input, name]) => [name, input]));
  const graphName = (name: string): string => {
    const known = made.get(name) ?? fed.get(name);
    if (known !== undefined) return known;
    const input = ADDED + name;
    fed.set(name, input);
    plan.feeds.set(input, name);
    plan.addedInputs.set(input, name);
    return input;
  };
  for (const step of inGraph) {
    if ("pool" in step) {
      const { from, mask, mode, as } = step.pool;
      const names = { from: graphName(from), ...(mask !== undefined && { mask: graphName(mask) }) };
      plan.appended.push({ pool: { ...names, mode, as: ADDED + as } });
      made.set(as, ADDED + as);
      continue;
    }
    const { from, as } =
      "normalize" in step ? step.normalize : "softmax" in step ? step.softmax : step.sigmoid;
    const names = { from: graphName(from), as: ADDED + as };
    plan.appended.push(
      "normalize" in step
        ? { normalize: names }
        : "softmax" in step
          ? { softmax: names }
          : { sigmoid: names },
    );
    made.set(as, ADDED + as);
  }
  return made;
}
