import { expect, test } from "vitest";
import type { Evaluation } from "../evaluation.ts";
import { accuracyOf, figuresOf } from "./figures.ts";

const shares = { precision: 0.5, recall: 1, f1: 2 / 3 };
const evaluation: Evaluation = {
  target: "class",
  examples: 2,
  examplesDigest: `sha256:${"0".repeat(64)}` as Evaluation["examplesDigest"],
  accuracy: 0.5,
  logLoss: 0.7,
  classes: [{ label: "neg", support: 1, ...shares }],
  macro: shares,
  micro: shares,
  confusions: [],
  mistakes: [{ id: "7", text: "a secret", truth: "neg", predicted: "pos", score: 0.9 }],
  correct: "gA==",
};

test("what everyone may see of an evaluation quotes nothing of the data", () => {
  const figures = figuresOf(evaluation);
  expect(JSON.stringify(figures)).not.toContain("secret");
  expect(figures).not.toHaveProperty("correct");
  expect(figures).toMatchObject({ target: "class", accuracy: 0.5, logLoss: 0.7 });
});

test("numbers have no accuracy", () => {
  expect(accuracyOf(evaluation)).toBe(0.5);
  const { examples, examplesDigest } = evaluation;
  const numbers = {
    target: "number",
    examples,
    examplesDigest,
    meanAbsoluteError: 1,
    rootMeanSquaredError: 1,
  } as const;
  expect(accuracyOf({ ...numbers, mistakes: [] })).toBeUndefined();
});
