import type { Tensor } from "@modulehub/core/tensor";
import type { TrainingProgram } from "@modulehub/onnx";
import type { Session } from "../session-contract.ts";
import type { ExampleSet, Features, Labels } from "./contract.ts";
import { classWeightFeed, exampleWeightFeed, labelFeed, rightAnswers } from "./labels.ts";
import { TableCarrier, zeroRows } from "./table-rows.ts";

/** Examples a run of the evaluation graph. */
const BATCH = 256;

interface Evaluation {
  program: TrainingProgram;
  evaluate: Session;
  /** A weight a class, [outputs]; those of training, so that losses compare. */
  classWeights: Tensor;
}

interface Weights {
  parameters: ReadonlyMap<string, Float32Array>;
  carriers: ReadonlyMap<string, TableCarrier>;
}

/** The loss over a set, as of one batch, and the share of right answers; null for numbers. */
export async function evaluateLoss(
  evaluation: Evaluation,
  weights: Weights,
  set: ExampleSet,
): Promise<{ loss: number; accuracy: number | null }> {
  let [sum, weight, right] = [0, 0, 0];
  let counts = true;
  for await (const { examples, fetched } of batches(evaluation, weights, set)) {
    const divided = Number(fetched.get("weight")?.data[0]);
    sum += Number(fetched.get("loss")?.data[0]) * divided;
    weight += divided;
    const answers = rightAnswers(logitsOf(fetched), set.labels, examples);
    if (answers === null) counts = false;
    else right += answers;
  }
  return { loss: sum / weight, accuracy: counts ? right / set.features.examples : null };
}

/** Logits of all examples, row-major [examples, outputs], of trained weights. */
export async function predictLogits(
  program: TrainingProgram,
  evaluate: Session,
  trained: { parameters: ReadonlyMap<string, Float32Array>; tables?: ReadonlyMap<string, Float32Array> },
  features: Features,
): Promise<Float32Array> {
  const { width, kind } = program.output;
  const carriers = new Map(
    program.tables.map((table) => {
      const values = trained.tables?.get(table.name);
      if (!values) throw new TypeError(`The table ${table.name} is missing.`);
      return [table.name, new TableCarrier(table, { values, state: [] }, zeroRows(values, table.dimensions))];
    }),
  );
  const labels: Labels =
    kind === "softmax"
      ? { kind, classes: new Int32Array(features.examples) }
      : { kind, values: new Float32Array(features.examples * width), width };
  // Logits don't depend on them.
  const classWeights = classWeightFeed(undefined, labels, width);
  const logits = new Float32Array(features.examples * width);
  const weights = { parameters: trained.parameters, carriers };
  for await (const { examples, fetched } of batches({ program, evaluate, classWeights }, weights, {
    features,
    labels,
  }))
    logits.set(logitsOf(fetched), (examples[0] ?? 0) * width);
  return logits;
}

function logitsOf(fetched: ReadonlyMap<string, Tensor>): Float32Array {
  const logits = fetched.get("logits");
  if (logits?.dtype !== "float32") throw new TypeError("The evaluation gave no logits.");
  return logits.data;
}

async function* batches(
  { program, evaluate, classWeights }: Evaluation,
  { parameters, carriers }: Weights,
  set: ExampleSet,
): AsyncGenerator<{ examples: Uint32Array; fetched: Map<string, Tensor> }> {
  for (let start = 0; start < set.features.examples; start += BATCH) {
    const examples = Uint32Array.from(
      { length: Math.min(BATCH, set.features.examples - start) },
      (_, at) => start + at,
    );
    const feeds = new Map<string, Tensor>([
      ...program.parameters.map(({ name, shape }): [string, Tensor] => [
        name,
        { dtype: "float32", shape: [...shape], data: parameters.get(name) ?? new Float32Array() },
      ]),
      ...set.features.feeds(examples),
      ["labels", labelFeed(set.labels, examples)],
      ["exampleWeights", exampleWeightFeed(set, examples)],
      ["classWeights", classWeights],
    ]);
    for (const [name, carrier] of carriers) {
      if (!set.features.tableRows) throw new TypeError("The features tell no rows of tables.");
      const { weights, which } = carrier.touch(set.features.tableRows(name, examples));
      for (const [input, tensor] of [...weights, ...which]) feeds.set(input, tensor);
    }
    yield { examples, fetched: await evaluate.run(feeds) };
  }
}
