import { expect, test } from "vitest";
import { type JobRequestInput, jobRequestSchema } from "./request.ts";

const dataSet = { digest: `sha256:${"ab".repeat(32)}`, reading: { format: "csv" } } as const;
const parse = (request: unknown) => jobRequestSchema.safeParse(request);
const faults = (request: unknown) =>
  parse(request).error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);

test("a request says all that decides its result once it is parsed", () => {
  const parsed = parse({ kind: "train", publisher: "acme", base: "modulehub/nnlm", dataSet }).data;
  expect(parsed).toMatchObject({
    kind: "train",
    dataSet: {
      name: "data",
      reading: { target: "class", columns: { label: "label" }, split: { test: 0.2 } },
    },
    settings: { head: { hidden: [], output: "softmax" }, optimizer: { name: "adam" }, steps: 1000, seed: 0 },
  });
});

test("settings that contradict each other are refused with the place", () => {
  const train = { kind: "train", publisher: "acme", base: "modulehub/nnlm", dataSet };
  expect(faults({ ...train, settings: { head: { output: "linear" } } })).toEqual([
    "dataSet.reading.target: must be number for a head whose output is linear, not class",
  ]);
  const numbers = { ...dataSet, reading: { format: "csv", target: "number" } };
  const linear = {
    ...train,
    dataSet: numbers,
    settings: { head: { output: "linear" }, classWeights: "balanced" },
  };
  expect(faults({ ...linear, requireAccuracy: 0.5 })).toEqual([
    "requireAccuracy: means nothing for a linear output: it has no accuracy",
    "settings.classWeights: means nothing for a linear output: it has no classes",
  ]);
});

test.each<[string, Partial<Record<keyof JobRequestInput | string, unknown>>]>([
  ["a learning rate of 0", { settings: { learningRate: 0 } }],
  ["an accuracy above 1", { requireAccuracy: 1.01 }],
  ["a seed that is no whole number", { settings: { seed: 0.5 } }],
  ["a word that there isn't", { settings: { optimiser: { name: "adam" } } }],
  ["an alias that means something else", { publish: { module: "acme/x", aliases: ["latest"] } }],
  ["no candidates", { kind: "rank", candidates: [] }],
])("%s is refused", (_name, change) => {
  const train = { kind: "train", publisher: "acme", base: "modulehub/nnlm", dataSet };
  expect(parse(train).success).toBe(true);
  expect(parse({ ...train, ...change }).success).toBe(false);
});
