import { afterAll, beforeAll, expect, test } from "vitest";
import { jobWorker, trainTask } from "../testing/job-worker.ts";
import { sentenceTransformer, wordVectors } from "../testing/text-modules.ts";

let worker: Awaited<ReturnType<typeof jobWorker>>;
beforeAll(async () => {
  worker = await jobWorker();
}, 60_000);
afterAll(() => worker.end());

const CSV = `text,label\n${Array.from({ length: 40 }, (_, row) =>
  row % 2 === 0 ? `cat ${row},feline` : `dog ${row},canine`,
).join("\n")}\n`;
const READING = { format: "csv" } as const;

test("a published classifier is evaluated on any data set with its classes", async () => {
  const base = worker.source.add(wordVectors());
  const dataSet = worker.data(CSV, READING);
  const trained = await worker.resultOf(
    trainTask(base, dataSet, { steps: 200, learningRate: 0.1 }, { card: {} }),
  );
  const module = { handle: "test/pets/1", digest: worker.madeModule(trained).digest };
  // Three of these four are right by their words.
  const wholly = { ...READING, split: { test: 0 } };
  const other = worker.data("text,label\ncat,feline\ndog,canine\ncat cat,feline\ndog dog,feline\n", wholly);
  const { result } = await worker.resultOf({ kind: "evaluate", module, dataSet: other });
  expect(result).toMatchObject({
    kind: "evaluate",
    of: "all",
    evaluation: {
      examples: 4,
      accuracy: 0.75,
      confusionMatrix: {
        labels: ["canine", "feline"],
        counts: [
          [1, 0],
          [1, 2],
        ],
      },
      mistakes: [{ text: "dog dog", truth: "feline", predicted: "canine" }],
    },
  });
  const drawn = worker.data(CSV, READING);
  const onDrawn = await worker.resultOf({ kind: "evaluate", module, dataSet: drawn });
  // A fifth of forty: those that training was not shown.
  expect(onDrawn.result).toMatchObject({ of: "test", evaluation: { examples: 8 } });
  const unknown = worker.data("text,label\ncat,feline\ncow,bovine\n", READING);
  const all = await worker.wholeOf({ kind: "evaluate", module, dataSet: unknown });
  expect(all.at(-1)).toMatchObject({ message: "problem", problem: { code: "data-label-unknown" } });
}, 60_000);

test("modules are ranked by how often a nearest neighbour has another label", async () => {
  const [good, poor] = [worker.source.add(wordVectors()), worker.source.add(sentenceTransformer())];
  const dataSet = worker.data(CSV, READING);
  const { result } = await worker.resultOf({
    kind: "rank",
    candidates: [
      { handle: "test/poor/1", digest: poor.digest },
      { handle: "test/good/1", digest: good.digest },
    ],
    dataSet,
    examples: 20,
    metric: "cosine",
  });
  if (result.kind !== "rank") throw new Error("another result");
  expect(result.candidates.map(({ handle }) => handle)[0]).toBe("test/good/1");
  expect(result.candidates[0]!.nearest).toMatchObject({ wrong: 0, error: 0, examples: 20, of: 40 });
  expect(result.candidates.map(({ features }) => features)).toEqual([2, 32]);
  const byDistance = await worker.resultOf({
    kind: "rank",
    candidates: [{ handle: "test/good/1", digest: good.digest }],
    dataSet,
    examples: 20,
    metric: "euclid",
  });
  expect(byDistance.result).toMatchObject({ candidates: [{ nearest: { metric: "euclid", wrong: 0 } }] });
}, 60_000);
