import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseManifest } from "@modulehub/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { moduleFolder } from "../testing/engines.ts";
import { temporaryFolder } from "../testing/modules.ts";
import { sentenceTransformer, TOKENIZER, TRANSFORMER } from "../testing/text-modules.ts";
import { ThreadPool } from "./thread-pool.ts";

let pool: ThreadPool;
let place: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  pool = new ThreadPool({ threads: 2, jobMs: 3000, heapMegabytes: 1024 });
  place = await temporaryFolder();
});
afterEach(async () => {
  await pool.close();
  await place.remove();
});

/** A folder of the sentence transformer with a tokenizer of choice. */
async function textFolder(name: string, tokenizer: unknown): Promise<string> {
  const module = sentenceTransformer();
  const json = module.blobs.get(module.files.find(({ path }) => path === "module.json")!.digest)!;
  const folder = await moduleFolder(place.folder, name, TRANSFORMER, parseManifest(json).signatures);
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  return folder;
}

const prepare = (folder: string, text: string) =>
  pool.run(folder, {
    kind: "prepare",
    folder,
    signature: "default",
    items: [new Map([["text", { dtype: "string", shape: [1], data: [text] }]])],
  });

test("texts are tokenized in a thread", async () => {
  const [prepared] = await prepare(await textFolder("good", TOKENIZER), "the cat sat");
  const { vocab } = TOKENIZER.model;
  expect(prepared?.feeds.get("input_ids")?.data).toEqual(
    BigInt64Array.from([1, vocab.the!, vocab.cat!, vocab.sat!, 2].map(BigInt)),
  );
});

test("a tokenizer whose pattern never ends loses its thread, stalls nothing and keeps no other module waiting", async () => {
  const endless = {
    ...TOKENIZER,
    pre_tokenizer: { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated", invert: false },
  };
  const bad = await textFolder("bad", endless);
  const good = await textFolder("good", TOKENIZER);
  await prepare(good, "warm up");
  let ticks = 0;
  const ticking = setInterval(() => {
    ticks += 1;
  }, 10);
  const outcomes = Promise.allSettled([1, 2, 3].map(() => prepare(bad, `${"a".repeat(40)}!`)));
  const started = performance.now();
  for (let times = 0; times < 20; times++) await prepare(good, "the cat sat");
  expect(performance.now() - started).toBeLessThan(3000);
  await pool.close();
  clearInterval(ticking);
  expect(ticks).toBeGreaterThan(0);
  for (const outcome of await outcomes) expect(outcome.status).toBe("rejected");
});

test("a job that overstays is answered with deadline-exceeded, and the next one has a fresh thread", async () => {
  const impatient = new ThreadPool({ threads: 1, jobMs: 1, heapMegabytes: 256 });
  const job = { kind: "json", bytes: Buffer.from("[1]") } as const;
  await expect(impatient.run("json", job)).rejects.toMatchObject({ code: "deadline-exceeded" });
  await impatient.close();
  expect(await pool.run("json", job)).toEqual([1]);
});

test("a body that would take more memory than a thread may is refused before it is parsed", async () => {
  const arrays = Buffer.from(`[${"[],".repeat(3_000_000)}0]`);
  const objects = Buffer.from(`[${"{},".repeat(200_000)}0]`);
  for (const bytes of [arrays, objects])
    await expect(pool.run("json", { kind: "json", bytes })).rejects.toMatchObject({ code: "body-too-large" });
  const text = Buffer.from(JSON.stringify(`${"[{".repeat(2_000_000)}"\\`));
  expect(await pool.run("json", { kind: "json", bytes: text })).toHaveLength(4_000_002);
});
