import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { JobMessage, JobTask } from "@modulehub/core";
import { afterEach, expect, test } from "vitest";
import { dataSetOf, jobWorker, trainTask, workOn } from "../testing/job-worker.ts";
import { temporaryFolder } from "../testing/modules.ts";
import { wordVectors } from "../testing/text-modules.ts";
import { hubForWorker, startWorkerProcess, type WorkerProcess } from "../testing/worker-process.ts";

/** A job that ends in the midst of embedding, and what of its work the next attempt finds. */

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const ROWS = 16_000;
/** Two times as many as are ever unsaved: some are safe by then, whatever the disk's speed. */
const ENOUGH = 8_192 + 512;
const WORDS = ["cat", "dog", "sat"];
const CSV = `text,label\n${Array.from({ length: ROWS }, (_, row) => {
  const words = Array.from({ length: 1 + (row % 7) }, (_, at) => WORDS[(row + at * at) % 3]);
  return `${words.join(" ")} ${row},${row % 2 === 0 ? "even" : "odd"}`;
}).join("\n")}\n`;
const SETTINGS = { steps: 20, batch: 64, head: { hidden: [8] }, seed: 5 };

const base = wordVectors();
const { dataSet, bytes } = dataSetOf(CSV, { format: "csv", split: { test: 0 } });
const task = trainTask(base, dataSet, SETTINGS, { card: { title: "Even and odd" } });

async function hub() {
  const found = await hubForWorker([base]);
  found.blobs.set(dataSet.digest, bytes);
  cleanups.push(found.close);
  return found;
}

async function cacheFolder(): Promise<string> {
  const { folder, remove } = await temporaryFolder();
  cleanups.push(remove);
  return folder;
}

async function started(hubUrl: string, cache: string): Promise<WorkerProcess> {
  const worker = await startWorkerProcess(hubUrl, { cache });
  cleanups.push(worker.remove);
  return worker;
}

const wholeOf = async (worker: { url: string; token: string }, wanted: JobTask = task) => {
  const all: JobMessage[] = [];
  for await (const message of workOn(worker, wanted)) all.push(message);
  return all;
};

/** Places of the data whose embeddings the job had when it began with them, and how many were asked of the engine. */
function embedded(all: readonly JobMessage[]): { before: number; made: number } {
  const done = all.flatMap((message) =>
    message.message === "progress" && message.progress.stage === "embedding" ? [message.progress.done!] : [],
  );
  return { before: done[0] ?? ROWS, made: (done.at(-1) ?? 0) - (done[0] ?? 0) };
}

const filesOf = (all: readonly JobMessage[]) => {
  const last = all.at(-1);
  if (last?.message !== "result") throw new Error(JSON.stringify(last));
  return last.files;
};

test("after its worker was killed in the midst of embedding, a job embeds the rest, to the same bits", async () => {
  const { url } = await hub();
  const whole = await wholeOf(await started(url, await cacheFolder()));
  expect(embedded(whole)).toEqual({ before: 0, made: ROWS });

  const cache = await cacheFolder();
  const first = await started(url, cache);
  await expect(async () => {
    for await (const message of workOn(first, task))
      if (message.message === "progress" && (message.progress.done ?? 0) >= ENOUGH)
        first.child.kill("SIGKILL");
  }).rejects.toThrow();
  await first.ended;

  const second = await started(url, cache);
  const resumed = await wholeOf(second);
  const { before, made } = embedded(resumed);
  expect(before).toBeGreaterThanOrEqual(4_096);
  expect(made).toBe(ROWS - before);
  expect(resumed).toContainEqual({
    message: "log",
    level: "info",
    text: `${before} of ${ROWS} examples are embedded already.`,
  });
  expect(filesOf(resumed)).toEqual(filesOf(whole));
  // What it went on with is the whole now, and nothing else is kept.
  expect(readdirSync(join(cache, "embeddings"))).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
  expect(embedded(await wholeOf(second))).toEqual({ before: ROWS, made: 0 });
}, 120_000);

test("a job that is given up goes on with what it had embedded, on another's data it does not", async () => {
  const worker = await jobWorker();
  cleanups.push(() => worker.end());
  worker.source.add(base);
  worker.source.blobs.set(dataSet.digest, bytes);
  for await (const message of worker.work(task))
    if (message.message === "progress" && (message.progress.done ?? 0) >= ENOUGH) break;
  const parts = () => readdirSync(join(worker.folder, "embeddings")).filter((name) => name.endsWith(".part"));
  // Its process gets what is left of the CPU only, for its end too.
  await expect.poll(() => readdirSync(join(worker.folder, "jobs")), { timeout: 30_000 }).toEqual([]);
  expect(parts()).toHaveLength(1);
  const other = worker.data(CSV.replaceAll("cat", "dog"), { format: "csv", split: { test: 0 } });
  expect(embedded(await worker.wholeOf({ ...task, dataSet: other }))).toEqual({ before: 0, made: ROWS });
  const resumed = await worker.wholeOf(task);
  expect(embedded(resumed).before).toBeGreaterThanOrEqual(4_096);
  expect(parts()).toEqual([]);
}, 120_000);
