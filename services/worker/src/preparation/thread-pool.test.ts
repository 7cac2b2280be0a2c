import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { getPriority } from "node:os";
import { join } from "node:path";
import { type InputTensor, parseManifest } from "@modulehub/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Patience } from "../patience.ts";
import { moduleFolder } from "../testing/engines.ts";
import { temporaryFolder } from "../testing/modules.ts";
import { sentenceTransformer, TOKENIZER, TRANSFORMER } from "../testing/text-modules.ts";
import { Overstayed, ThreadPool } from "./thread-pool.ts";

let pool: ThreadPool;
let place: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  pool = new ThreadPool({ threads: 2, jobMs: 3000, heapMegabytes: 1024, waitingBytes: 2 ** 20 });
  place = await temporaryFolder();
});
afterEach(async () => {
  await pool.close();
  await place.remove();
});

/** A tokenizer that takes for ever over many an "a" and something else. */
const ENDLESS = {
  ...TOKENIZER,
  pre_tokenizer: { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated", invert: false },
};

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

test.runIf(process.platform === "linux")("threads leave the main thread its turn", async () => {
  const nicenesses = () =>
    // proc(5): niceness is the 19th field of stat, the 17th after the name in brackets.
    readdirSync("/proc/self/task").map((id) =>
      Number(readFileSync(`/proc/self/task/${id}/stat`, "utf8").split(") ")[1]?.split(" ")[16]),
    );
  // More where the tests themselves run with more.
  const expected = Math.max(5, getPriority());
  const usual = nicenesses();
  await pool.run("json", { kind: "json", bytes: Buffer.from("[1]") });
  const now = nicenesses();
  const count = (list: number[]) => list.filter((nice) => nice === expected).length;
  expect(now.length).toBeGreaterThan(usual.length);
  expect(count(now)).toBeGreaterThan(count(usual));
});

test("texts are tokenized in a thread", async () => {
  const [prepared] = await prepare(await textFolder("good", TOKENIZER), "the cat sat");
  const { vocab } = TOKENIZER.model;
  expect(prepared?.feeds.get("input_ids")?.data).toEqual(
    BigInt64Array.from([1, vocab.the!, vocab.cat!, vocab.sat!, 2].map(BigInt)),
  );
});

test("a tokenizer whose pattern never ends loses its thread, stalls nothing and keeps no other module waiting", async () => {
  const bad = await textFolder("bad", ENDLESS);
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
  const impatient = new ThreadPool({ threads: 1, jobMs: 1, heapMegabytes: 256, waitingBytes: 2 ** 20 });
  const job = { kind: "json", bytes: Buffer.from("[1]") } as const;
  await expect(impatient.run("json", job)).rejects.toMatchObject({
    code: "deadline-exceeded",
    cause: expect.any(Overstayed),
  });
  await impatient.close();
  expect(await pool.run("json", job)).toEqual([1]);
});

/** A pool whose only thread does nothing but one job, and how to ask it for another with a body of so many bytes. */
async function busyPool(waitingBytes: number) {
  const busy = new ThreadPool({ threads: 1, jobMs: 60_000, heapMegabytes: 256, waitingBytes });
  const folder = await textFolder("endless", ENDLESS);
  const texts: InputTensor = { dtype: "string", shape: [1], data: [`${"a".repeat(40)}!`] };
  const items = [new Map([["text", texts]])];
  const endless = busy.run("endless", { kind: "prepare", folder, signature: "default", items });
  let ended = false;
  const end = endless.catch(() => {
    ended = true;
  });
  return {
    busy,
    ended: () => ended,
    ask: (bytes: number, patience?: Patience) =>
      busy.run("json", { kind: "json", bytes: new Uint8Array(bytes).fill(0x31) }, patience),
    close: async () => {
      await busy.close();
      await end;
    },
  };
}

test("what waits for a thread is taken out when its client has gone or its deadline is over", async () => {
  const { busy, ask, ended, close } = await busyPool(2 ** 20);
  const gone = new AbortController();
  const leaving = ask(10_000, { signal: gone.signal });
  const late = ask(10_000, { deadline: performance.now() + 50, signal: new AbortController().signal });
  const staying = ask(10_000, { deadline: performance.now() + 600_000 });
  expect(busy.waitingBytes).toBeGreaterThan(30_000);
  gone.abort(new Error("gone"));
  await expect(leaving).rejects.toThrow("gone");
  // It only waited: nobody is to blame.
  await expect(late).rejects.toMatchObject({ code: "deadline-exceeded", cause: undefined });
  expect(ended()).toBe(false);
  expect(busy.waitingBytes).toBeLessThan(20_000);
  await expect(ask(1, { signal: gone.signal })).rejects.toThrow("gone");
  await expect(ask(1, { deadline: performance.now() })).rejects.toMatchObject({ code: "deadline-exceeded" });
  const outcome = expect(staying).rejects.toMatchObject({ code: "shutting-down" });
  await close();
  await outcome;
  expect(busy.waitingBytes).toBe(0);
  await expect(ask(1)).rejects.toMatchObject({ code: "shutting-down" });
});

test("what waits for a thread holds a bounded amount: more is refused, but for what is in the background", async () => {
  const { busy, ask, close } = await busyPool(100_000);
  const gone = new AbortController();
  const first = ask(80_000, { signal: gone.signal });
  await expect(ask(80_000)).rejects.toMatchObject({ code: "too-many-requests", status: 429, retryAfter: 1 });
  const others = [ask(1000), ask(80_000, { priority: "background" })];
  expect(busy.waitingBytes).toBeGreaterThan(160_000);
  gone.abort(new Error("gone"));
  await expect(first).rejects.toThrow("gone");
  const outcomes = Promise.allSettled(others);
  await close();
  for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { code: "shutting-down" } });
});

test("a body that would take more memory than a thread may is refused before it is parsed", async () => {
  const arrays = Buffer.from(`[${"[],".repeat(3_000_000)}0]`);
  const objects = Buffer.from(`[${"{},".repeat(200_000)}0]`);
  for (const bytes of [arrays, objects])
    await expect(pool.run("json", { kind: "json", bytes })).rejects.toMatchObject({ code: "body-too-large" });
  const text = Buffer.from(JSON.stringify(`${"[{".repeat(2_000_000)}"\\`));
  expect(await pool.run("json", { kind: "json", bytes: text })).toHaveLength(4_000_002);
});
