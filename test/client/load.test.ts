import { readFileSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Hub } from "@modulehub/client";
import { tensorFromJson } from "@modulehub/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanUp, ROOT, type RunningHub, startHub, temporaryFolder } from "../e2e/hub.ts";

/** The client against a hub started by `npm start`: what runs on this machine equals what the hub answers. */

const TEXTS = ["A long sentence.", "single-word", "http://example.com", ""];
const TEXT_MODULE = "modulehub/nnlm-en-dim100/1";
const FEATURES = "modulehub/imagenet/efficientnet-lite0/feature-vector/1";
const CLASSIFIER = "modulehub/imagenet/efficientnet-lite0/classification/1";
const PHOTO = join(ROOT, "examples/photos/coffee.webp");

let running: RunningHub;
let cache: string;
let hub: Hub;

beforeAll(async () => {
  running = await startHub();
  cache = temporaryFolder();
  hub = new Hub({ url: running.url, cache });
});
afterAll(cleanUp);

const largest = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, index) => Math.abs(value - b[index]!)));

test.each([false, true])(
  "a text embedding run here equals the hub's, bit for bit (isolated: %s)",
  async (isolated) => {
    const answer = await hub.infer(TEXT_MODULE, { text: TEXTS });
    const spec = { dtype: "float32" as const, shape: ["batch", 100] };
    await using module = await hub.load(TEXT_MODULE, { isolated });
    expect(module.digest).toBe(answer.digest);
    const { outputs } = await module.run({ text: TEXTS });
    expect(outputs.default).toEqual(tensorFromJson(answer.outputs.default, spec, "answer"));
    // The hub's have few digits, enough to give the same float32.
    const there = (await hub.embed(TEXT_MODULE, TEXTS)).embeddings;
    expect((await module.embed(TEXTS)).embeddings).toEqual(
      there.map((row) => row.map(Number).map(Math.fround)),
    );
  },
);

test("an image may be given by its path, and gives the hub's features", async () => {
  await using module = await hub.load(FEATURES, { threads: 1 });
  const photo = new Uint8Array(readFileSync(PHOTO));
  const [theirs] = (await hub.embed(FEATURES, photo)).embeddings;
  const { outputs } = await module.run({ image: [PHOTO] });
  const ours = outputs.default;
  if (ours?.dtype !== "float32") throw new Error(`Expected float32, got ${ours?.dtype}.`);
  expect(ours.shape).toEqual([1, 1280]);
  // Threads split sums differently: a few units in the last place.
  expect(largest(Array.from(ours.data), theirs!.map(Number))).toBeLessThan(1e-4);
});

test("a classifier names the same labels here and on the hub", async () => {
  await using module = await hub.load(CLASSIFIER);
  const photo = new Uint8Array(readFileSync(PHOTO));
  const [ours] = (await module.classify(photo, { topK: 3 })).results;
  const [theirs] = (await hub.classify(CLASSIFIER, photo, { topK: 3 })).results;
  expect(ours?.map(({ label }) => label)).toEqual(theirs?.map(({ label }) => label));
  expect(ours).toHaveLength(3);
});

test("a module is downloaded with its documentation", async () => {
  const to = temporaryFolder();
  const events = await Array.fromAsync(hub.download(TEXT_MODULE, { to }));
  expect(events.at(-1)).toMatchObject({ kind: "downloaded", version: 1 });
  const { files } = await hub.resolve(TEXT_MODULE);
  const found = (await readdir(to, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  expect(found).toHaveLength(files.length);
  await writeFile(join(to, "README.md"), "# Damaged");
  const [again] = await Array.fromAsync(hub.download(TEXT_MODULE, { to }));
  const readme = files.find(({ path }) => path === "README.md");
  expect(again).toMatchObject({ kind: "resolved", missingBytes: readme?.size });
});

test("search finds the modules of a publisher, however small the pages", async () => {
  const all = (await Array.fromAsync(hub.search({ publisher: "modulehub" }))).map(({ module }) => module);
  expect(all).toContain("modulehub/nnlm-en-dim100");
  const paged = await Array.fromAsync(hub.search({ publisher: "modulehub" }, { pageSize: 1 }));
  expect(paged.map(({ module }) => module)).toEqual(all);
  expect(await Array.fromAsync(hub.search({ publisher: "nobody" }))).toEqual([]);
});

test("a loaded version runs when the hub is gone", async () => {
  await (await hub.load(TEXT_MODULE)).close();
  await running.interrupt();
  await using module = await hub.load(TEXT_MODULE);
  expect((await module.run({ text: ["cat"] })).outputs.default?.shape).toEqual([1, 100]);
});
