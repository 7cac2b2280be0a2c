import { afterAll, beforeAll, expect, test } from "vitest";
import { allocating, endlessBatch, repeating } from "./testing/graphs.ts";
import { plainSignature, type TestModule, testModule } from "./testing/modules.ts";
import { TOKEN, testWorker } from "./testing/test-worker.ts";
import { sentenceTransformer, TOKENIZER } from "./testing/text-modules.ts";

/* What one request does to a module, the module's other requests and callers don't notice. */

const RUN_MS = 2000;
let worker: Awaited<ReturnType<typeof testWorker>>;
beforeAll(async () => {
  worker = await testWorker({ engineMemory: 384 * 2 ** 20, runMs: RUN_MS, cores: 1 });
});
afterAll(async () => {
  await worker.end();
});

const ask = (module: TestModule, x: unknown, caller?: string) =>
  worker.post("/v1/infer", module, { inputs: { x } }, caller);

/** Items that were run to an answer, and in how many runs. */
async function answeredRuns(): Promise<{ items: number; runs: number }> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const { payload } = await worker.app.inject({ url: "/metrics", headers });
  const sum = (what: string) =>
    [...payload.matchAll(new RegExp(`^modulehub_worker_batch_items_${what}\\{.*\\} (\\S+)$`, "gm"))]
      .map(([, value]) => Number(value))
      .reduce((a, b) => a + b, 0);
  return { items: sum("sum"), runs: sum("count") };
}

test("of 32 requests that run together one never ends: it fails, 31 are answered", async () => {
  const rows = { dtype: "int64" as const, shape: ["batch", 1] };
  const module = worker.source.add(
    testModule(
      endlessBatch(),
      { signatures: plainSignature(rows, rows) },
      {},
      { default: { inputs: { x: 0 }, outputs: { y: 0 }, pad: {} } },
    ),
  );
  expect((await ask(module, [[1]])).statusCode).toBe(200);
  const before = await answeredRuns();
  // Holds the engine until all have come.
  const holding = ask(module, [[300_000]]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const values = Array.from({ length: 32 }, (_, index) => (index === 13 ? 2 ** 50 : index));
  const answers = await Promise.all(values.map((value) => ask(module, [[value]], `caller ${value}`)));
  for (const [index, answer] of answers.entries())
    if (index === 13) expect(answer.json()).toMatchObject({ code: "deadline-exceeded", status: 504 });
    else expect(answer.json().outputs?.y.data).toEqual([index]);
  expect((await holding).statusCode).toBe(200);
  // Those beside the bad one ran a second time, alone.
  const after = await answeredRuns();
  expect(after.items - before.items).toBe(32);
  expect(after.runs - before.runs).toBeGreaterThan(16);
}, 60_000);

test("a request that kills the engine, sent again and again by one caller, is held back for that caller only", async () => {
  const signatures = plainSignature({ dtype: "int64", shape: [1] }, { dtype: "string", shape: ["n"] });
  const module = worker.source.add(testModule(repeating(), { signatures }));
  const codes: string[] = [];
  for (let times = 0; times < 40 && codes.at(-1) !== "module-quarantined"; times++) {
    codes.push((await ask(module, [6_000_000], "eve")).json().code);
    const harmless = await ask(module, [2], "bob");
    expect(harmless.json().outputs.y.data).toEqual(["some text", "some text"]);
  }
  // Whichever is faster: the limit on its memory, at which it aborts, or who watches it, which is not held against it.
  expect(["module-crashed", "out-of-memory"]).toEqual(expect.arrayContaining(codes.slice(0, -1)));
  expect(codes.length).toBeGreaterThan(1);
  expect(codes.at(-1)).toBe("module-quarantined");
  const held = await ask(module, [2], "eve");
  expect(held.json()).toMatchObject({ code: "module-quarantined", status: 503 });
  expect(Number(held.headers["retry-after"])).toBeGreaterThan(0);
}, 120_000);

test("a request that takes all memory fails, and the next of the same caller is answered", async () => {
  const signatures = plainSignature({ dtype: "int64", shape: [1] }, { dtype: "float32", shape: ["n"] });
  const module = worker.source.add(testModule(allocating(), { signatures }));
  for (let times = 0; times < 5; times++) {
    const refused = await ask(module, [2 ** 31], "eve");
    expect(refused.json()).toMatchObject({ code: "out-of-memory", status: 503 });
    expect((await ask(module, [1], "eve")).statusCode).toBe(200);
  }
}, 60_000);

test("texts that wait for a thread are refused at their deadline, and their module isn't held back for it", async () => {
  const quiet = await testWorker({ cores: 1, drainMs: 0 });
  const pattern = { Regex: "(a+)+$" };
  const module = quiet.source.add(
    sentenceTransformer({
      ...TOKENIZER,
      pre_tokenizer: { type: "Split", pattern, behavior: "Isolated", invert: false },
    }),
  );
  const embed = (text: string, timeout: number) =>
    quiet.app.inject({
      method: "POST",
      url: "/v1/embed",
      headers: {
        ...quiet.headers(module),
        "content-type": "application/json",
        "modulehub-timeout-ms": String(timeout),
      },
      payload: JSON.stringify({ inputs: text }),
    });
  expect((await embed("the cat sat", 60_000)).statusCode).toBe(200);
  const holding = embed(`${"a".repeat(40)}!`, 60_000);
  await expect.poll(async () => (await embed("the cat", 100)).statusCode).toBe(504);
  // Three of one caller's that were to blame would be enough.
  for (let times = 0; times < 5; times++)
    expect((await embed(`the cat sat ${times}`, 100)).json()).toMatchObject({
      code: "deadline-exceeded",
      detail: "The request waited too long to be read in time.",
    });
  await quiet.end();
  expect((await holding).statusCode).toBeGreaterThanOrEqual(500);
});
