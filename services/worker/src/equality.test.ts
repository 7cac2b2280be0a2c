import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Batching, inspectResponseSchema, type Tensor } from "@modulehub/core";
import { openSession } from "@modulehub/runtime/session";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestModule } from "./testing/modules.ts";
import { testWorker } from "./testing/test-worker.ts";
import { sentenceTransformer, TOKENIZER, TRANSFORMER, wordVectors } from "./testing/text-modules.ts";

let worker: Awaited<ReturnType<typeof testWorker>>;
beforeAll(async () => {
  worker = await testWorker();
});
afterAll(async () => {
  await worker.end();
});

/** Inspects a module as publishing does, and serves it with what was proven. */
async function publish(module: TestModule): Promise<Batching> {
  worker.source.add(module);
  const answer = await worker.post("/v1/inspect", module, { digest: module.digest, files: module.files });
  const inspected = inspectResponseSchema.parse(answer.json());
  if (inspected.outcome === "rejected") throw new Error(JSON.stringify(inspected.problems));
  const { batching } = inspected.report.signatures.default!;
  worker.source.add({ ...module, batching: { default: batching } });
  return batching;
}

const vocabulary: Record<string, number> = TOKENIZER.model.vocab;

/**
 * What the contract compares with: the original graph in a session of our own, one text, unpadded, then the mean
 * over tokens and L2 by plain arithmetic.
 */
async function directly(texts: string[]): Promise<number[][]> {
  const path = join(worker.folder, "original.onnx");
  await writeFile(path, TRANSFORMER);
  const session = await openSession(path, { threads: 1 });
  const results: number[][] = [];
  for (const text of texts) {
    const ids = [
      1,
      ...text
        .split(" ")
        .filter(Boolean)
        .map((word) => vocabulary[word] ?? 0)
        .slice(0, 38),
      2,
    ];
    const row = (values: number[]): Tensor => ({
      dtype: "int64",
      shape: [1, values.length],
      data: BigInt64Array.from(values.map(BigInt)),
    });
    const feeds = new Map([
      ["input_ids", row(ids)],
      ["attention_mask", row(ids.map(() => 1))],
      ["token_type_ids", row(ids.map(() => 0))],
    ]);
    const hidden = (await session.run(feeds)).get("last_hidden_state");
    if (hidden?.dtype !== "float32") throw new Error("the graph gives floats");
    const mean = Array.from({ length: 32 }, (_, feature) =>
      ids.reduce((sum, _id, token) => sum + hidden.data[token * 32 + feature]! / ids.length, 0),
    );
    const norm = Math.hypot(...mean);
    results.push(mean.map((value) => value / norm));
  }
  await session.close();
  return results;
}

const words = Object.keys(vocabulary).slice(4);
const texts = Array.from({ length: 64 }, (_, index) =>
  Array.from(
    { length: 1 + ((index * 7) % 37) },
    (_word, place) => words[(index * 5 + place * 3) % words.length],
  ).join(" "),
);

function expectEqual(actual: number[][], expected: number[][]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [index, row] of expected.entries()) {
    const tolerance = 1e-6 * Math.max(1, ...row.map(Math.abs));
    for (const [place, value] of row.entries())
      expect(Math.abs(actual[index]![place]! - value), `text ${index}`).toBeLessThanOrEqual(tolerance);
  }
}

test("a sentence transformer batches with padding, and answers what a direct run of each text gives", async () => {
  const module = sentenceTransformer();
  const batching = await publish(module);
  expect(batching).toMatchObject({
    pad: { input_ids: { axis: 1, value: 3 }, attention_mask: { axis: 1, value: 0 } },
  });
  const expected = await directly(texts);
  const together = await worker.post("/v1/embed", module, { inputs: texts });
  expectEqual(together.json().embeddings, expected);
  const apart = await Promise.all(texts.map((text) => worker.post("/v1/embed", module, { inputs: text })));
  expectEqual(
    apart.map((answer) => answer.json().embeddings[0]),
    expected,
  );
});

test("what is cut of a text is told, with its place in the request", async () => {
  const module = sentenceTransformer();
  await publish(module);
  const long = Array.from({ length: 50 }, () => "cat").join(" ");
  const answer = await worker.post("/v1/infer", module, { inputs: { text: ["cat", long] } });
  expect(answer.json()).toMatchObject({ truncated: [{ input: "text", item: 1, kept: 38, of: 50 }] });
  expect((await worker.post("/v1/infer", module, { inputs: { text: ["cat"] } })).json()).not.toHaveProperty(
    "truncated",
  );
});

test("word vectors are summed and divided by the square root of their count, an empty text gives zeros", async () => {
  const module = wordVectors();
  expect(await publish(module)).toMatchObject({ inputs: { text: 0 } });
  const answer = await worker.post("/v1/embed", module, {
    inputs: ["cat dog", "", "sat", "dog sat sat cat"],
  });
  // cat [1, 0], dog [0, 2], sat [3, 3]: sums by hand.
  expectEqual(answer.json().embeddings, [
    [1 / Math.SQRT2, 2 / Math.SQRT2],
    [0, 0],
    [3, 3],
    [7 / 2, 8 / 2],
  ]);
});

test("a text of 50,000 words among short ones is answered, and so are they", async () => {
  const module = wordVectors();
  await publish(module);
  const long = "cat ".repeat(50_000).trim();
  const [answer, ...others] = await Promise.all([
    worker.post("/v1/embed", module, { inputs: long }),
    ...Array.from({ length: 20 }, () => worker.post("/v1/embed", module, { inputs: "sat" })),
  ]);
  expect(answer?.json().embeddings[0][0]).toBeCloseTo(50_000 / Math.sqrt(50_000), 1);
  for (const other of others) expect(other.json().embeddings).toEqual([[3, 3]]);
});
