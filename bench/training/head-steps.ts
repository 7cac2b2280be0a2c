import { trainingSettingsSchema } from "@modulehub/core";
import { buildTrainingProgram, modelBytes, RandomSequence } from "@modulehub/onnx";
import { denseFeatures, runTraining } from "@modulehub/runtime";
import { openSessionFromBytes } from "@modulehub/runtime/session";

export interface HeadSteps {
  features: number;
  hidden: number[];
  classes: number;
  batch: number;
  steps: number;
  threads: number;
}

const EXAMPLES = 25_000;

/** Seconds of the same by the hub's own loop; as with PyTorch, the first 50 steps are not timed. */
export async function headSteps({
  features,
  hidden,
  classes,
  batch,
  steps,
  threads,
}: HeadSteps): Promise<number> {
  const random = new RandomSequence(0, "initialize");
  const values = Float32Array.from({ length: EXAMPLES * features }, () => random.normal());
  const labels = Int32Array.from({ length: EXAMPLES }, () => random.below(classes));
  const train = {
    features: denseFeatures(values, features),
    labels: { kind: "softmax" as const, classes: labels },
  };
  const settings = (count: number) =>
    trainingSettingsSchema.parse({
      head: { hidden, activation: "relu" },
      optimizer: { name: "adagrad" },
      learningRate: 0.003,
      steps: count,
      batch,
    });
  const program = buildTrainingProgram(settings(steps), { features, outputs: classes });
  const options = { threads, spinMicroseconds: 200, arena: true };
  const session = await openSessionFromBytes(modelBytes(program.steps), "", options);
  const evaluate = await openSessionFromBytes(modelBytes(program.evaluate), "", options);
  const run = async (count: number) => {
    for await (const _ of runTraining({
      program,
      settings: settings(count),
      steps: session,
      evaluate,
      train,
    }));
  };
  await run(50);
  const begin = performance.now();
  await run(steps);
  const took = (performance.now() - begin) / 1000;
  await session.close();
  await evaluate.close();
  return took;
}
