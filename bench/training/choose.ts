import { RandomSequence } from "@modulehub/onnx";
import { type Trained, type TrainRequest, train } from "./runs.ts";

/** Every tenth of so many examples, in a shuffled order, for validation; the others to train on. */
export function validationSplit(examples: number): { train: number[]; validation: number[] } {
  const random = new RandomSequence(1, "shuffle");
  const order = Array.from({ length: examples }, (_, at) => at);
  for (let last = order.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  const cut = Math.floor(examples / 10);
  return { validation: order.slice(0, cut), train: order.slice(cut) };
}

/**
 * The settings with the smallest loss on the validation split, and the number of steps after which it was that. The test
 * set plays no part.
 */
export async function chooseSettings(
  candidates: readonly object[],
  request: (settings: object) => Omit<TrainRequest, "settings">,
): Promise<{ settings: object; steps: number; loss: number }> {
  let best: { settings: object; steps: number; loss: number } | undefined;
  for (const settings of candidates) {
    const trained: Trained = await train({ settings, ...request(settings) });
    const { accuracy, loss } = trained.validation;
    console.log(
      `  ${JSON.stringify(settings)}: ${(accuracy * 100).toFixed(2)} % at best, loss ${loss.toFixed(4)} after ${trained.result.bestStep} of ${trained.result.steps} steps, ${trained.seconds.toFixed(1)} s`,
    );
    await trained.close();
    if (!best || loss < best.loss) best = { settings, steps: trained.result.bestStep, loss };
  }
  if (!best) throw new RangeError("there are no settings to choose from");
  return best;
}
