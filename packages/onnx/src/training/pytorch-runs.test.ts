import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TrainingSettings, trainingSettingsSchema } from "@modulehub/core";
import type { Tensor } from "@modulehub/core/tensor";
import { describe, expect, test } from "vitest";
import { float32, int64, numbers, type Tensors, withModel } from "../test-runtime.ts";
import { buildTrainingProgram } from "./build-program.ts";

/** Made by scripts/training/pytorch-runs.py, which says what is in it. */
interface Run {
  name: string;
  settings: object;
  features: number[];
  labels: number[];
  exampleWeights: number[];
  classWeights: number[];
  start: Record<string, number[]>;
  steps: { batch: number[]; loss: number; masks: number[][] }[];
  end: Record<string, number[]>;
}
const { source, runs } = JSON.parse(
  readFileSync(join(import.meta.dirname, "fixtures/pytorch-runs.json"), "utf8"),
) as {
  source: string;
  runs: Run[];
};

const FEATURES = 5;
const OUTPUTS = 3;
/** Both count in float32, in another order of sums. */
const TOLERANCE = 2e-5;

const each = (value: number): Tensor => float32([1], [value]);
const rowsOf = (values: number[], width: number, rows: number[]): number[] =>
  rows.flatMap((row) => values.slice(row * width, (row + 1) * width));

function labelsOf(run: Run, { head }: TrainingSettings, batch: number[]): Tensor {
  return head.output === "softmax"
    ? int64([1, batch.length], rowsOf(run.labels, 1, batch))
    : float32([1, batch.length, OUTPUTS], rowsOf(run.labels, OUTPUTS, batch));
}

describe(source, () => {
  test.each(runs)("$name: every step's loss and the last parameters are PyTorch's", async (run) => {
    const settings = trainingSettingsSchema.parse(run.settings);
    const program = buildTrainingProgram(settings, { features: FEATURES, outputs: OUTPUTS });
    const weights: Tensors = Object.fromEntries(
      program.parameters.map(({ name, shape }) => [name, float32([...shape], run.start[name] ?? [])]),
    );
    for (const { name, shape, initial } of program.state)
      weights[name] = float32([...shape], new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(initial));
    await withModel(program.steps, async (step) => {
      for (const [at, { batch, loss, masks }] of run.steps.entries()) {
        const fetched = await step({
          count: int64([], [1]),
          ...weights,
          ...Object.fromEntries(
            program.masks.map(({ name, width, layer }) => [
              name,
              float32([1, batch.length, width], masks[layer] ?? []),
            ]),
          ),
          features: float32([1, batch.length, FEATURES], rowsOf(run.features, FEATURES, batch)),
          labels: labelsOf(run, settings, batch),
          exampleWeights: float32([1, batch.length], rowsOf(run.exampleWeights, 1, batch)),
          classWeights: float32([1, OUTPUTS], run.classWeights),
          learningRate: each(settings.learningRate),
          stepNumber: each(at + 1),
        });
        expect(numbers(fetched.finite)).toEqual([1]);
        expect(Math.abs(numbers(fetched.loss)[0]! - loss)).toBeLessThan(TOLERANCE);
        for (const name of Object.keys(weights)) weights[name] = fetched[`next/${name}`]!;
      }
    });
    for (const [name, expected] of Object.entries(run.end))
      numbers(weights[name]).forEach((value, index) => {
        expect(Math.abs(value - expected[index]!)).toBeLessThan(TOLERANCE);
      });
  });
});
