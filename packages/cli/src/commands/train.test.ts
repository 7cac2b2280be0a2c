import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DataReport, dataReadingSchema } from "@modulehub/core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Answer, AnsweringHub } from "../answering-hub.ts";
import { runBin } from "../run-bin.ts";

const AT = "2026-11-23T12:00:00.000Z";
const DIGEST = `sha256:${"ab".repeat(32)}` as const;
const CSV = "text,label\nA joy.,good\nLovely.,good\nA bore.,bad\nTwo lost hours.,bad\n";
const data = `sha256:${createHash("sha256").update(CSV).digest("hex")}`;
const reading = dataReadingSchema.parse({ format: "csv" });

const report: DataReport = {
  examples: 4,
  kind: "text",
  target: "class",
  classes: [],
  splits: { counts: { train: 4, validation: 0, test: 0 }, given: [] },
  duplicates: { all: 0, testInTrain: 0, otherLabel: 0 },
  emptyRows: 0,
  otherFiles: 0,
  faults: [],
  problems: [],
  warnings: [],
};
const figures = { precision: 0.5, recall: 0.5, f1: 0.5 };
const evaluation = (accuracy: number) => ({
  target: "class" as const,
  examples: 2,
  examplesDigest: DIGEST,
  accuracy,
  logLoss: 0.7,
  classes: [],
  macro: figures,
  micro: figures,
  confusionMatrix: {
    labels: ["bad", "good"],
    counts: [
      [1, 0],
      [1, 0],
    ],
  },
  confusions: [],
  rocAuc: 0.75,
  mistakes: [{ id: "row 2", text: "Lovely.", truth: "good", predicted: "bad", score: 0.6 }],
  correct: "gA==",
});
const trained = {
  kind: "train",
  base: { handle: "acme/words/1", digest: DIGEST },
  data: report,
  features: 3,
  steps: 20,
  bestStep: 20,
  ended: "steps",
  evaluations: { train: evaluation(0.75), test: evaluation(0.5) },
  published: { handle: "acme/reviews/1", digest: DIGEST, version: 1 },
  seconds: { embedding: 1, training: 2, total: 3.25 },
};
const ranked = {
  kind: "rank",
  data: report,
  candidates: [
    {
      handle: "acme/words/1",
      digest: DIGEST,
      features: 3,
      nearest: { metric: "cosine", error: 0.25, wrong: 1, examples: 4, of: 4 },
      examplesPerSecond: 1234.5,
    },
  ],
  seconds: { total: 2 },
};

const job = (id: string, kind: string, state: string, more: object = {}) => ({
  id,
  kind,
  state,
  publisher: "acme",
  subject: "acme/words/1",
  createdAt: AT,
  request: { kind },
  attempts: 1,
  ...more,
});
const dataSet = { digest: data, name: "reviews.csv", reading };
const halved = { ...dataSet, reading: { ...reading, split: { ...reading.split, test: 0.5 } } };
const head = { hidden: [8, 4], dropout: 0.1, standardize: true, output: "softmax" };
const train = (settings: object, more: object = {}) =>
  `POST /v1/jobs ${JSON.stringify({ kind: "train", publisher: "acme", base: "acme/words", dataSet, settings, ...more })}`;
const me = {
  account: "ada",
  displayName: "Ada",
  admin: false,
  roles: { acme: "writer" },
  token: { name: "t", role: "writer" },
};

// It has no events; then a job is asked for.
const ANSWERS: Record<string, Answer> = {
  "GET /v1/me": me,
  [train(
    {
      head,
      optimizer: { name: "adagrad", initialAccumulator: 0 },
      learningRate: 0.003,
      steps: 20,
      classWeights: [1, 2],
    },
    {
      dataSet: halved,
      requireAccuracy: 0.4,
      publish: { module: "acme/reviews", visibility: "private", aliases: ["stable"] },
    },
  )]: job("j1", "train", "queued"),
  "GET /v1/jobs/j1": job("j1", "train", "succeeded", { result: trained }),
  [train({ head: { output: "softmax" } })]: job("j2", "train", "queued"),
  "GET /v1/jobs/j2": job("j2", "train", "failed", {
    problem: {
      type: "about:blank",
      title: "Low",
      status: 422,
      code: "accuracy-too-low",
      detail: "0.5 is below 0.9.",
    },
    result: { ...trained, published: undefined },
  }),
  "DELETE /v1/jobs/j1": job("j1", "train", "cancelled"),
  [`POST /v1/jobs ${JSON.stringify({ kind: "rank", publisher: "acme", candidates: ["acme/words/1", "acme/other"], dataSet })}`]:
    job("j3", "rank", "queued"),
  "GET /v1/jobs/j3": job("j3", "rank", "succeeded", { result: ranked }),
  [`POST /v1/jobs ${JSON.stringify({
    kind: "evaluate",
    publisher: "acme",
    module: "acme/reviews/1",
    dataSet: { ...dataSet, reading: { ...reading, split: { ...reading.split, test: 0 } } },
  })}`]: job("j4", "evaluate", "queued"),
  "GET /v1/jobs/j4": job("j4", "evaluate", "succeeded", {
    result: {
      kind: "evaluate",
      module: { handle: "acme/reviews/1", digest: DIGEST },
      data: report,
      of: "all",
      evaluation: evaluation(0.5),
      seconds: { total: 1 },
    },
  }),
  "GET /v1/jobs?limit=100&state=succeeded": {
    items: [{ ...job("j1", "train", "succeeded"), published: "acme/reviews/1" }],
  },
  "GET /v1/jobs/j1/log?limit=100": { items: [{ at: AT, level: "info", message: "Embedded 4 texts." }] },
  "GET /v1/modules/acme/reviews/versions/2/comparison?with=acme%2Freviews%2F1": {
    first: "acme/reviews/1",
    second: "acme/reviews/2",
    comparisons: [
      {
        dataSet,
        split: "test",
        examples: 50,
        comparison: {
          target: "class",
          sameExamples: true,
          differences: {
            accuracy: { first: 0.75, second: 0.875, difference: 0.125 },
            logLoss: { first: 0.5, second: 0.25, difference: -0.25 },
          },
          mcnemar: { onlyFirst: 2, onlySecond: 8, pValue: 0.109375 },
        },
      },
    ],
  },
  "GET /v1/modules/acme/reviews/versions/1/comparison?with=acme%2Freviews%2F1": {
    ...{ first: "acme/reviews/1", second: "acme/reviews/1", comparisons: [] },
  },
  "GET /v1/modules/acme/reviews/versions/1/lineage": {
    handle: "acme/reviews/1",
    digest: DIGEST,
    trainedFrom: {
      base: { handle: "acme/words/1", digest: DIGEST, yanked: true },
      dataSet,
      settings: {},
      figures: { test: evaluation(0.5) },
      at: AT,
    },
    ancestors: [],
    descendants: [
      { handle: "acme/other/2", digest: DIGEST, from: "acme/reviews/1", at: AT },
      { handle: "acme/finer/1", digest: DIGEST, at: AT },
    ],
  },
};

let hub: AnsweringHub;
let folder: string;
beforeAll(async () => {
  hub = await AnsweringHub.start(ANSWERS);
  folder = await mkdtemp(join(tmpdir(), "modulehub-train-"));
  await writeFile(join(folder, "reviews.csv"), CSV);
  await writeFile(join(folder, "one-class.csv"), "text,label\na,x\nb,x\n");
});
beforeEach(() => hub.forget());
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const run = (line: string) =>
  runBin(
    line.split(" ").map((word) => word.replace(/^DATA\//, `${folder}/`)),
    { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: "secret", TZ: "UTC" },
  );

const TRAIN =
  "train acme/words --data DATA/reviews.csv --hidden 8,4 --dropout 0.1 --standardize --optimizer adagrad,initial-accumulator=0 --learning-rate 0.003 --steps 20 --class-weights 1,2 --test 0.5 --require-accuracy 0.4 --publish acme/reviews@stable --private";

test("train asks for what its options say, and prints what came of it", async () => {
  const { code, stdout, stderr } = await run(TRAIN);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: [
      "20 steps, 3.3 s",
      "train       accuracy 0.7500  F1 0.5000  ROC-AUC 0.7500  loss 0.7000",
      "test        accuracy 0.5000  F1 0.5000  ROC-AUC 0.7500  loss 0.7000",
      "confusion matrix (a row a true class, a column what was said):",
      "        bad  good",
      "   bad    1     0",
      "  good    1     0",
      "the surest mistakes:",
      "  row 2  good, not bad  Lovely.",
      `Published acme/reviews/1  ${DIGEST}`,
      "",
    ].join("\n"),
  });
  expect(stderr).toContain("4 texts: 2 to train on, 0 to validate, 2 to test\n");
  expect(stderr).toContain("Job j1\n");
});

test("with --json the last line holds handle, accuracies and confusion matrix", async () => {
  const { code, stdout } = await run(`${TRAIN} --json`);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    handle: "acme/reviews/1",
    version: 1,
    digest: DIGEST,
    trainAccuracy: 0.75,
    testAccuracy: 0.5,
    confusionMatrix: {
      labels: ["bad", "good"],
      counts: [
        [1, 0],
        [1, 0],
      ],
    },
    job: "j1",
  });
  expect(stdout).not.toContain("mistakes");
});

test("a job that fails prints what it came to, then why, and exits with 1", async () => {
  const { code, stdout, stderr } = await run("train acme/words --data DATA/reviews.csv --json");
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ handle: null, testAccuracy: 0.5, job: "j2" });
  expect(JSON.parse(stderr.trim().split("\n").at(-1)!)).toMatchObject({ code: "accuracy-too-low" });
});

test("with --detach the job's id is all that is waited for", async () => {
  expect(await run("train acme/words --data DATA/reviews.csv --detach")).toMatchObject({
    code: 0,
    stdout: "j2\n",
  });
  expect(hub.asked).not.toContain("GET /v1/jobs/j2");
});

test("data that nothing can be trained on is refused before anything is sent", async () => {
  const { code, stdout, stderr } = await run("train acme/words --data DATA/one-class.csv --publish acme/x");
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain('All examples are of the class "x".\n  (code data-one-class)\n');
  expect(hub.asked).toEqual([]);
});

test.each([
  ["--hidden 8,x", "--hidden takes sizes"],
  ["--optimizer rmsprop", "--optimizer is one of sgd"],
  ["--optimizer adam,momentum=0.9", "--optimizer: "],
  ["--schedule step", "--schedule: "],
  ["--steps 10 --epochs 2", "cannot be used with"],
  ["--learning-rate -1", "--learning-rate takes a number above 0"],
  ["--validation 1.5", "--validation takes a share from 0 to 0.9"],
  ["--text-column a --image-column b", "cannot be used with"],
  ["--class-weights 1,0", "--class-weights takes"],
])("train %s is a usage error", async (options, message) => {
  const { code, stderr } = await run(`train acme/words --data DATA/reviews.csv ${options}`);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) });
  expect(hub.asked).toEqual([]);
});

test("a required accuracy that nothing could be held against is refused before anything is sent", async () => {
  const line = "train acme/words --data DATA/reviews.csv --test 0 --require-accuracy 0.4";
  const { code, stderr } = await run(line);
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("the data has none") });
  expect(hub.asked.filter((asked) => asked.startsWith("POST"))).toEqual([]);
});

test("rank prints a table of the modules, best first", async () => {
  const { code, stdout } = await run("rank acme/words/1 acme/other --data DATA/reviews.csv");
  expect({ code, stdout }).toEqual({ code: 0, stdout: "acme/words/1\t0.2500\t1 of 4\t3\t1235\n" });
});

test("evaluate takes all of the data where it has no test split", async () => {
  const { code, stdout, stderr } = await run("evaluate acme/reviews/1 --data DATA/reviews.csv --json");
  expect(code).toBe(0);
  // Nothing is trained, so nothing is said of what training would need.
  expect(stderr).toMatch(/^4 texts\n {2}bad {3}2\n {2}good {2}2\n/);
  expect(stderr).not.toMatch(/note:|split|train/);
  expect(JSON.parse(stdout)).toMatchObject({ handle: "acme/reviews/1", accuracy: 0.5, of: "all", job: "j4" });
});

test.each([
  ["jobs list --state succeeded", "j1\ttrain\tsucceeded\tacme/words/1\tacme/reviews/1\t2026-11-23 12:00\t\n"],
  ["jobs cancel j1", "Job j1 is cancelled\n"],
  ["jobs logs j1", "2026-11-23 12:00  info   Embedded 4 texts.\n"],
  [
    "compare acme/reviews/1 acme/reviews/2",
    "reviews.csv (test): 50 examples\naccuracy\t0.7500\t0.8750\t+0.1250\nlogLoss\t0.5000\t0.2500\t-0.2500\n2 were right in the first only, 8 in the second only; by chance alone p = 0.11.\n",
  ],
  [
    "compare acme/reviews/1 acme/reviews/1",
    "acme/reviews/1 and acme/reviews/1 were not evaluated on the same examples; modulehub evaluate does it.\n",
  ],
  [
    "lineage acme/reviews/1 --down",
    "acme/other/2  from acme/reviews/1  2026-11-23 12:00\nacme/finer/1  from one that you may not see  2026-11-23 12:00\n",
  ],
  [
    "lineage acme/reviews/1",
    `acme/reviews/1\n  trained    2026-11-23 12:00\n  base       acme/words/1 (yanked)\n  data       reviews.csv  ${data}\n  test       accuracy 0.5000\n`,
  ],
])("modulehub %s prints what there is", async (line, printed) => {
  expect(await run(line)).toEqual({ code: 0, stdout: printed, stderr: "" });
});

test("jobs watch and jobs show tell what a job came to", async () => {
  expect((await run("jobs watch j3")).stdout).toContain("acme/words/1\t0.2500");
  expect((await run("jobs show j1")).stdout).toContain("  state      succeeded\n");
});

test("data check needs no hub, and exits with 1 where nothing can be trained", async () => {
  const good = await run("data check DATA/reviews.csv --test 0.5");
  expect(good).toMatchObject({ code: 0, stderr: "" });
  expect(good.stdout).toContain("4 texts: 2 to train on, 0 to validate, 2 to test\n  bad   1 + 0 + 1\n");
  const bad = await run("data check DATA/one-class.csv --json");
  expect(bad.code).toBe(1);
  expect(JSON.parse(bad.stdout)).toMatchObject({ problems: [{ code: "data-one-class" }] });
  const missing = await run("data check DATA/reviews.csv --label-column stars");
  expect(missing.stderr).toContain('There is no column "stars" with the labels; there are "text", "label".');
  expect(hub.asked).toEqual([]);
});

test("nothing at the path of the data is told so", async () => {
  const { code, stderr } = await run("data check DATA/nothing.csv");
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("nothing.csv can't be read") });
});
