import { afterAll, beforeAll, expect, test } from "vitest";
import { affine, allocating, endless, repeating } from "./testing/graphs.ts";
import { plainSignature, type TestModule, testModule } from "./testing/modules.ts";
import { testWorker } from "./testing/test-worker.ts";

/** Issue 3: while one module aborts, loops and allocates, 1,000 requests to another all succeed. */
const REQUESTS = 1000;

let worker: Awaited<ReturnType<typeof testWorker>>;
beforeAll(async () => {
  worker = await testWorker({ engineMemory: 384 * 2 ** 20, runMs: 2500, extraIdleMs: 1000 });
});
afterAll(async () => {
  await worker.end();
});

const counting = (graph: Uint8Array, output: "int64" | "float32" | "string"): TestModule =>
  worker.source.add(
    testModule(graph, {
      signatures: plainSignature({ dtype: "int64", shape: [1] }, { dtype: output, shape: ["n"] }),
    }),
  );

async function engineBytes(): Promise<number> {
  const headers = { authorization: "Bearer a-token-for-tests-only" };
  const { payload } = await worker.app.inject({ url: "/metrics", headers });
  return Number(/^modulehub_worker_engine_bytes (\S+)$/m.exec(payload)?.[1]);
}

test("while a module loops, another aborts and a third allocates, every request to a fourth succeeds", async () => {
  const row = { dtype: "float32" as const, shape: ["batch", 3] };
  const good = worker.source.add(
    testModule(
      affine(),
      { signatures: plainSignature(row, row) },
      {},
      { default: { inputs: { x: 0 }, outputs: { y: 0 }, pad: {} } },
    ),
  );
  const hostile: [module: TestModule, x: number, codes: string[]][] = [
    [counting(endless(), "int64"), 2 ** 50, ["deadline-exceeded", "module-quarantined"]],
    [
      counting(repeating(), "string"),
      6_000_000,
      ["module-crashed", "out-of-memory", "deadline-exceeded", "module-quarantined"],
    ],
    [counting(allocating(), "float32"), 2 ** 31, ["out-of-memory"]],
  ];
  const ask = (x: number) => worker.post("/v1/infer", good, { inputs: { x: [[x, x + 1, x + 2]] } });
  // Every module is loaded, and does something harmless, before memory is compared.
  const harmless = async () => {
    await ask(0);
    for (const [module] of hostile) await worker.post("/v1/infer", module, { inputs: { x: [1] } }, "nobody");
  };
  await harmless();
  await expect.poll(engineBytes, { timeout: 5000 }).toBeGreaterThan(400 * 2 ** 20);
  // Engines that have just started are still growing when they are first looked at.
  let before = 0;
  const grown = async () => {
    const earlier = before;
    before = await engineBytes();
    return before / earlier;
  };
  await expect.poll(grown, { timeout: 10_000, interval: 1_000 }).toBeLessThan(1.02);

  let going = true;
  const seen = hostile.map(() => new Set<string>());
  const attacks = hostile.map(async ([module, x], index) => {
    for (let times = 0; going; times++) {
      const answer = await worker.post(
        "/v1/infer",
        module,
        { inputs: { x: [x + times] } },
        `caller ${times % 3}`,
      );
      const { code } = answer.json();
      seen[index]?.add(code);
      if (code === "module-quarantined") await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
  const statuses = new Map<number, number>();
  for (let sent = 0; sent < REQUESTS; sent += 10) {
    const answers = await Promise.all(Array.from({ length: 10 }, (_, index) => ask(sent + index)));
    for (const [index, answer] of answers.entries()) {
      statuses.set(answer.statusCode, (statuses.get(answer.statusCode) ?? 0) + 1);
      const x = sent + index;
      expect(answer.json().outputs?.y.data).toEqual([2 * x + 1, 2 * x + 3, 2 * x + 5]);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  going = false;
  await Promise.all(attacks);
  expect([...statuses]).toEqual([[200, REQUESTS]]);
  for (const [index, [, , codes]] of hostile.entries()) {
    expect(seen[index]?.size).toBeGreaterThan(0);
    expect(codes).toEqual(expect.arrayContaining([...(seen[index] ?? [])]));
  }

  await harmless();
  await expect.poll(engineBytes, { timeout: 10_000 }).toBeLessThan(before * 1.1);
}, 60_000);
