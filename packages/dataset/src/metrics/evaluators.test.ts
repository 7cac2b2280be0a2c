import { readFileSync } from "node:fs";
import { evaluationSchema } from "@modulehub/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import type { ExampleTarget } from "../example.ts";
import { compareEvaluations, type Evaluator, evaluatorFor, mcnemar, rocAuc } from "./index.ts";
import { Worst } from "./worst.ts";

const figures = z.object({ precision: z.number(), recall: z.number(), f1: z.number() });
const summary = {
  classes: z.array(figures.extend({ support: z.number() })),
  macro: figures,
  micro: figures,
};
const classification = z.object({
  truth: z.array(z.number()),
  scores: z.array(z.array(z.number())),
  accuracy: z.number(),
  logLoss: z.number(),
  confusionMatrix: z.array(z.array(z.number())),
  rocAuc: z.number().optional(),
  ...summary,
});
/** Made by scikit-learn.py beside it, with the versions that it names. */
const REFERENCE = z
  .object({
    fourClasses: classification,
    twoClasses: classification,
    ties: z.object({ truth: z.array(z.number()), second: z.array(z.number()), rocAuc: z.number() }),
    labels: z.object({
      truth: z.array(z.array(z.number())),
      scores: z.array(z.array(z.number())),
      subsetAccuracy: z.number(),
      hammingLoss: z.number(),
      rocAuc: z.array(z.number().nullable()),
      ...summary,
    }),
    numbers: z.object({
      truth: z.array(z.number()),
      predicted: z.array(z.number()),
      meanAbsoluteError: z.number(),
      rootMeanSquaredError: z.number(),
      r2: z.number(),
    }),
    mcnemar: z.array(z.object({ onlyFirst: z.number(), onlySecond: z.number(), pValue: z.number() })),
  })
  .parse(JSON.parse(readFileSync(new URL("./fixtures/scikit-learn.json", import.meta.url), "utf8")));

const near = (value: number) => expect.closeTo(value, 12);
const nearAll = (each: z.infer<typeof figures>) => ({
  precision: near(each.precision),
  recall: near(each.recall),
  f1: near(each.f1),
});

/** Gives an evaluator these examples, the texts of which are their numbers. */
function evaluate(evaluator: Evaluator, targets: readonly ExampleTarget[], outputs: readonly number[][]) {
  for (const [index, target] of targets.entries())
    evaluator.add(
      { id: `row ${index + 1}`, content: { kind: "text", text: `text ${index + 1}` }, target },
      outputs[index]!,
    );
  return evaluationSchema.parse(evaluator.result());
}
const classes = (...truth: number[]): ExampleTarget[] =>
  truth.map((each) => ({ kind: "class", class: each }));

test.each(["fourClasses", "twoClasses"] as const)("%s: every figure is scikit-learn's", (name) => {
  const reference = REFERENCE[name];
  const labels = reference.classes.map((_, index) => `class ${index}`);
  const result = evaluate(evaluatorFor("class", labels), classes(...reference.truth), reference.scores);
  expect(result).toMatchObject({
    examples: reference.truth.length,
    accuracy: near(reference.accuracy),
    logLoss: near(reference.logLoss),
    confusionMatrix: { labels, counts: reference.confusionMatrix },
    classes: reference.classes.map((each, index) => ({
      label: labels[index],
      ...nearAll(each),
      support: each.support,
    })),
    macro: nearAll(reference.macro),
    micro: nearAll(reference.micro),
  });
  if (result.target !== "class") throw new Error("another target");
  if (reference.rocAuc === undefined) expect(result.rocAuc).toBeUndefined();
  else expect(result.rocAuc).toBeCloseTo(reference.rocAuc, 12);
});

test("a class that is neither true nor said of any example does not count in the mean", () => {
  const found = evaluate(evaluatorFor("class", ["a", "b", "never"]), classes(0, 1, 1), [
    [0.8, 0.1, 0.1],
    [0.1, 0.8, 0.1],
    [0.1, 0.8, 0.1],
  ]);
  expect(found).toMatchObject({ macro: { precision: 1, recall: 1, f1: 1 }, classes: { length: 3 } });
});

test("equal scores count half in the area under the curve", () => {
  const { second, truth, rocAuc: area } = REFERENCE.ties;
  expect(rocAuc(second, truth)).toBeCloseTo(area, 12);
});

test("there is no area under the curve of one kind", () => {
  expect(rocAuc([0.1, 0.9], [1, 1])).toBeUndefined();
  expect(rocAuc([0.1, 0.9], [0, 0])).toBeUndefined();
});

test("several labels: every figure is scikit-learn's", () => {
  const reference = REFERENCE.labels;
  const names = reference.rocAuc.map((_, index) => `label ${index}`);
  const targets = reference.truth.map(
    (row): ExampleTarget => ({
      kind: "labels",
      labels: row.flatMap((holds, index) => (holds ? [index] : [])),
    }),
  );
  const result = evaluate(evaluatorFor("labels", names), targets, reference.scores);
  expect(result).toMatchObject({
    subsetAccuracy: near(reference.subsetAccuracy),
    hammingLoss: near(reference.hammingLoss),
    labels: reference.classes.map((each, index) => ({
      label: names[index],
      ...nearAll(each),
      support: each.support,
    })),
    macro: nearAll(reference.macro),
    micro: nearAll(reference.micro),
  });
  if (result.target !== "labels") throw new Error("another target");
  expect(result.labels.map((each) => each.rocAuc ?? null)).toEqual(
    reference.rocAuc.map((area) => (area === null ? null : near(area))),
  );
});

test("numbers: every figure is scikit-learn's", () => {
  const { truth, predicted, ...reference } = REFERENCE.numbers;
  const targets = truth.map((value): ExampleTarget => ({ kind: "number", value }));
  const outputs = predicted.map((value) => [value]);
  expect(evaluate(evaluatorFor("number", []), targets, outputs)).toMatchObject({
    meanAbsoluteError: near(reference.meanAbsoluteError),
    rootMeanSquaredError: near(reference.rootMeanSquaredError),
    r2: near(reference.r2),
  });
});

test("numbers that are all the same have no R²", () => {
  const targets: ExampleTarget[] = [3, 3].map((value) => ({ kind: "number", value }));
  expect(evaluate(evaluatorFor("number", []), targets, [[2], [3]])).not.toHaveProperty("r2");
});

test.each(REFERENCE.mcnemar)(
  "McNemar's test of $onlyFirst against $onlySecond is scipy's binomial test",
  ({ onlyFirst, onlySecond, pValue }) => {
    const found = mcnemar(onlyFirst, onlySecond);
    expect(Math.abs(found - pValue)).toBeLessThanOrEqual(1e-9 * pValue);
    expect(mcnemar(onlySecond, onlyFirst)).toBe(found);
  },
);

test("the surest mistakes come first, with the beginning of their texts", () => {
  const evaluator = evaluatorFor("class", ["no", "yes"]);
  const text = "long ".repeat(100);
  evaluator.add(
    { id: "a", content: { kind: "text", text }, target: { kind: "class", class: 0 } },
    [0.4, 0.6],
  );
  evaluator.add(
    { id: "b", content: { kind: "text", text: "b" }, target: { kind: "class", class: 1 } },
    [0.9, 0.1],
  );
  evaluator.add(
    { id: "c", content: { kind: "text", text: "c" }, target: { kind: "class", class: 1 } },
    [0.2, 0.8],
  );
  expect(evaluator.result()).toMatchObject({
    mistakes: [
      { id: "b", text: "b", truth: "yes", predicted: "no", score: 0.9 },
      { id: "a", text: `${text.slice(0, 300)}…`, truth: "no", predicted: "yes", score: 0.6 },
    ],
    confusions: [
      { truth: "no", predicted: "yes", count: 1 },
      { truth: "yes", predicted: "no", count: 1 },
    ],
  });
});

test("the worst of many are those that sorting finds, of equal ones the first", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), fc.integer({ min: 1, max: 8 }), (badness, most) => {
      const worst = new Worst<number>(most);
      for (const [index, each] of badness.entries()) worst.offer(each, () => index);
      const sorted = badness
        .map((each, index) => ({ each, index }))
        .sort((a, b) => b.each - a.each || a.index - b.index);
      expect(worst.list()).toEqual(sorted.slice(0, most).map(({ index }) => index));
    }),
  );
});

test("two evaluations of the same examples are compared, and tested for chance", () => {
  const truth = classes(0, 0, 0, 1, 1, 1, 1, 1, 1, 1);
  const said = (right: string) =>
    [...right].map((each, index) => (index < 3 === (each === "1") ? [0.8, 0.2] : [0.2, 0.8]));
  const first = evaluate(evaluatorFor("class", ["a", "b"]), truth, said("1101110000"));
  const second = evaluate(evaluatorFor("class", ["a", "b"]), truth, said("1111110110"));
  expect(compareEvaluations(first, second)).toMatchObject({
    target: "class",
    sameExamples: true,
    differences: { accuracy: { first: 0.5, second: 0.8, difference: expect.closeTo(0.3, 12) } },
    // By hand: none against three; two tails of 1/8.
    mcnemar: { onlyFirst: 0, onlySecond: 3, pValue: expect.closeTo(0.25, 12) },
  });
  const other = evaluate(evaluatorFor("class", ["a", "b"]), classes(0, 1), [
    [0.8, 0.2],
    [0.8, 0.2],
  ]);
  const differing = compareEvaluations(first, other);
  expect(differing).toMatchObject({ sameExamples: false });
  expect(differing.mcnemar).toBeUndefined();
  const numbers = evaluate(evaluatorFor("number", []), [{ kind: "number", value: 1 }], [[1]]);
  expect(() => compareEvaluations(first, numbers)).toThrow(TypeError);
});

test("the same examples in another order, or with another text, are not the same", () => {
  const digestOf = (...texts: string[]) => {
    const evaluator = evaluatorFor("class", ["a", "b"]);
    for (const text of texts)
      evaluator.add(
        { id: "x", content: { kind: "text", text }, target: { kind: "class", class: 0 } },
        [1, 0],
      );
    return evaluator.result().examplesDigest;
  };
  expect(digestOf("one", "two")).toBe(digestOf("one", "two"));
  expect(digestOf("two", "one")).not.toBe(digestOf("one", "two"));
  expect(digestOf("one", "three")).not.toBe(digestOf("one", "two"));
});

test("outputs of another length, another target and no examples at all are bugs of the caller", () => {
  const evaluator = evaluatorFor("class", ["a", "b"]);
  expect(() => evaluator.result()).toThrow(RangeError);
  const example = { id: "x", content: { kind: "text", text: "x" } } as const;
  expect(() => evaluator.add({ ...example, target: { kind: "class", class: 0 } }, [1])).toThrow(TypeError);
  expect(() => evaluator.add({ ...example, target: { kind: "number", value: 0 } }, [1, 0])).toThrow(
    TypeError,
  );
});
