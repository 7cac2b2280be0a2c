import { dataReadingSchema, type JobKind } from "@modulehub/core";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import type { DataSource } from "../example.ts";
import { readAll, refusalOf, TestData } from "../test-data.ts";
import { surveyDataset } from "./survey-dataset.ts";

const data = new TestData();
afterAll(() => data[Symbol.asyncDispose]());

let files = 0;
const jsonl = (rows: readonly object[]): Promise<DataSource> =>
  data.file(`${files++}.jsonl`, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
const JSONL = { format: "jsonl" } as const;

/** Twenty texts of two classes in turn. */
const TWENTY = Array.from({ length: 20 }, (_, index) => ({
  text: `text number ${index}`,
  label: index % 2 === 0 ? "even" : "odd",
}));
const SPLIT = { test: 0.3, validation: 0.25, seed: 5 };

test("splits are drawn by the documented rule", async () => {
  const { examples } = await readAll(await jsonl(TWENTY), { ...JSONL, split: SPLIT });
  const letters = { train: ".", validation: "v", test: "t" };
  // Python 3.11: hashlib.sha256 of f"{seed} {split} {sha256(text).hexdigest()}", the 52 first bits; by class the
  // round(n × fraction) smallest are test, of the others the smallest are validation.
  expect(examples.map(({ split }) => letters[split]).join("")).toBe("..t..vttv..vvtt....t");
});

test("every class has its share in every split that is drawn", async () => {
  const { report } = await readAll(await jsonl(TWENTY), { ...JSONL, split: SPLIT });
  expect(report.splits).toEqual({ given: [], counts: { train: 10, validation: 4, test: 6 } });
  expect(report.classes).toEqual(
    ["even", "odd"].map((label) => ({ label, counts: { train: 5, validation: 2, test: 3 } })),
  );
});

test("which split an example is in does not depend on the order, and equal examples are in the same", async () => {
  const rows = [...TWENTY, ...TWENTY.slice(0, 6)];
  const splits = async (source: DataSource, seed: number) => {
    const { examples } = await readAll(source, { ...JSONL, split: { ...SPLIT, seed } });
    return examples.map(({ content, split }) => `${content.kind === "text" && content.text} ${split}`);
  };
  const expected = [...new Set(await splits(await jsonl(rows), 5))].sort();
  expect(expected).toHaveLength(TWENTY.length);
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(rows, { minLength: rows.length }), async (shuffled) => {
      expect([...new Set(await splits(await jsonl(shuffled), 5))].sort()).toEqual(expected);
    }),
    { numRuns: 20 },
  );
  expect([...new Set(await splits(await jsonl(rows), 6))].sort()).not.toEqual(expected);
});

test("splits that the data has are kept, and only the others are drawn", async () => {
  const rows = TWENTY.map((row, index) => ({ ...row, split: index < 5 ? "test" : "train" }));
  const { report, examples } = await readAll(await jsonl(rows), { ...JSONL, split: SPLIT });
  expect(report.splits.given).toEqual(["train", "test"]);
  expect(examples.slice(0, 5).every(({ split }) => split === "test")).toBe(true);
  // 7 of one class and 8 of the other are left: a quarter of each, rounded, is 2.
  expect(report.splits.counts).toEqual({ train: 11, validation: 4, test: 5 });
});

test("classes that count are sorted as numbers, others as texts", async () => {
  const classesOf = async (labels: string[]) =>
    (await readAll(await jsonl(labels.map((label, index) => ({ text: `${index}`, label }))), JSONL)).plan
      .classes;
  expect(await classesOf(["10", "9", "-1", "2.5"])).toEqual(["-1", "2.5", "9", "10"]);
  expect(await classesOf(["b", "10", "9", "B"])).toEqual(["10", "9", "B", "b"]);
});

test("the report counts duplicates: all, between test and train, and with different labels", async () => {
  const { report } = await readAll(
    await jsonl([
      { text: "same", label: "x", split: "train" },
      { text: "same", label: "x", split: "train" },
      { text: "same", label: "x", split: "test" },
      { text: "torn", label: "x", split: "train" },
      { text: "torn", label: "y", split: "train" },
      { text: "once", label: "y", split: "test" },
    ]),
    JSONL,
  );
  expect(report.duplicates).toEqual({ all: 3, testInTrain: 1, otherLabel: 1 });
  expect(report.warnings).toEqual([
    "Examples of the test split that are in train or validation too: 1. Its figures will be too good.",
    "1 example is there twice with different labels.",
  ]);
});

test("that there is no test split is told before training, and not of data that is evaluated or ranked by", async () => {
  const source = await jsonl([
    { text: "one", label: "x" },
    { text: "two", label: "y" },
  ]);
  const reading = dataReadingSchema.parse({ format: "jsonl", split: { test: 0 } });
  const warnings = async (purpose: JobKind) =>
    (await surveyDataset(source, reading, { purpose })).report.warnings;
  expect(await warnings("train")).toEqual([
    "There is no test split, so nothing says how good the result is on other data.",
  ]);
  expect(await warnings("evaluate")).toEqual([]);
  expect(await warnings("rank")).toEqual([]);
});

test("the report tells how long the texts are", async () => {
  const rows = Array.from({ length: 40 }, (_, index) => ({ text: "x".repeat(index + 1), label: index % 2 }));
  // By hand: 1 to 40; the 38th is the first that 95 of 100 do not exceed.
  expect((await readAll(await jsonl(rows), JSONL)).report.lengths).toEqual({
    unit: "characters",
    least: 1,
    median: 20.5,
    p95: 38,
    most: 40,
  });
});

const row = (label: unknown, split: string, text = `${label} ${split}`) => ({ text, label, split });
const refused: [string, object[], string, string][] = [
  [
    "one class",
    [row("x", "train"), row("x", "test")],
    "data-one-class",
    'All examples are of the class "x".',
  ],
  [
    "a class of the test split that train lacks",
    [row("x", "train"), row("y", "train"), row("z", "test")],
    "data-classes-differ",
    'The train split has no examples of "z".',
  ],
  [
    "nothing to train on",
    [row("x", "test"), row("y", "test")],
    "data-split-invalid",
    "All examples are in the validation or test split; there are none to train on.",
  ],
];
test.each(refused)("%s: nothing can be trained on it", async (_, rows, code, detail) => {
  expect(await refusalOf(await jsonl(rows), JSONL)).toEqual({ code, detail });
});

test("more classes than a head can have end the reading", async () => {
  const rows = Array.from({ length: 1001 }, (_, index) => ({ text: `${index}`, label: `label ${index}` }));
  expect(await refusalOf(await jsonl(rows), JSONL)).toMatchObject({ code: "data-too-many-classes" });
});

test("rows without a split beside others that have one are told", async () => {
  const source = await jsonl([row("x", "train"), row("y", "train"), { text: "stray", label: "y" }]);
  const { report } = await readAll(source, { ...JSONL, split: { test: 0, validation: 0.5 } });
  expect(report.problems).toMatchObject([
    {
      code: "data-split-invalid",
      detail: "1 example is in no split, though others are.",
      errors: [{ path: "row 3", message: "is in no split" }],
    },
  ]);
});

test("to evaluate a module the data may lack classes, but have none that it doesn't know", async () => {
  const source = await jsonl([row("x", "test"), row("z", "test")]);
  const reading = dataReadingSchema.parse({ ...JSONL, split: { test: 0 } });
  const known = await surveyDataset(source, reading, { purpose: "evaluate", classes: ["z", "y", "x"] });
  expect(known.report.problems).toEqual([]);
  expect(known.plan.classes).toEqual(["z", "y", "x"]);
  const unknown = await surveyDataset(source, reading, { purpose: "evaluate", classes: ["y", "z"] });
  expect(unknown.report.problems).toMatchObject([
    { code: "data-label-unknown", detail: 'The module knows "y", "z", but not "x".' },
  ]);
});

test("several labels: each must have an example to train on", async () => {
  const labels = (names: string[], split: string) => ({ text: `${names} ${split}`, label: names, split });
  const fine = await jsonl([labels(["a"], "train"), labels([], "train"), labels(["a", "b"], "train")]);
  const { report } = await readAll(fine, { ...JSONL, target: "labels", split: { test: 0 } });
  expect(report.problems).toEqual([]);
  expect(report.classes).toMatchObject([
    { label: "a", counts: { train: 2 } },
    { label: "b", counts: { train: 1 } },
  ]);
  const differ = await jsonl([labels(["a"], "train"), labels(["b"], "test")]);
  expect(await refusalOf(differ, { ...JSONL, target: "labels" })).toMatchObject({
    code: "data-classes-differ",
  });
  const none = await jsonl([labels([], "train"), labels([], "test")]);
  expect(await refusalOf(none, { ...JSONL, target: "labels" })).toMatchObject({ code: "data-label-invalid" });
});

test("what may surprise is a warning", async () => {
  const many = Array.from({ length: 20 }, (_, index) => row("x", "train", `many ${index}`));
  const { report } = await readAll(
    await jsonl([...many, row("y", "train"), row("x", "test"), row("y", "train", " ")]),
    JSONL,
  );
  expect(report.warnings).toEqual([
    "1 row is empty and left out.",
    "The test split has no examples of 1 class.",
    "The largest class has 20 times as many examples as the smallest; class weights may help.",
  ]);
});

test("stopping a survey throws what stopped it", async () => {
  const reading = dataReadingSchema.parse(JSONL);
  const reason = new Error("enough");
  await expect(
    surveyDataset(await jsonl(TWENTY), reading, { signal: AbortSignal.abort(reason) }),
  ).rejects.toBe(reason);
});
