import { afterEach, expect, test } from "vitest";
import { endless } from "./testing/graphs.ts";
import { plainSignature, testModule } from "./testing/modules.ts";
import { testWorker } from "./testing/test-worker.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const counter = { dtype: "int64" as const, shape: [1] };
const counting = testModule(endless(), { signatures: plainSignature(counter, counter) });

/** A worker that listens, with a module that counts as long as it is told to. */
async function listening(drainMs: number) {
  const worker = await testWorker({ drainMs, runMs: 60_000 });
  ends.push(worker.end);
  worker.source.add(counting);
  const url = await worker.app.listen({ port: 0, host: "127.0.0.1" });
  const headers = { ...worker.headers(counting), "content-type": "application/json" };
  const count = (to: number) =>
    fetch(`${url}/v1/infer`, { method: "POST", headers, body: JSON.stringify({ inputs: { x: [to] } }) });
  expect((await count(1)).status).toBe(200);
  return { worker, url, count };
}

test("a worker that ends answers what is under way and refuses what comes then", async () => {
  const { worker, url, count } = await listening(30_000);
  const started = performance.now();
  expect((await count(1e5)).status).toBe(200);
  // Long enough to be under way when the next requests come: 1.5 s, as far as the machine is even.
  const running = count(Math.round((1e5 * 1500) / (performance.now() - started)));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const closing = worker.close();
  const late = await count(1);
  expect(late.status).toBe(503);
  expect(late.headers.get("retry-after")).toBe("1");
  expect(await late.json()).toMatchObject({ code: "shutting-down" });
  expect((await fetch(`${url}/health/ready`)).status).toBe(503);
  expect((await fetch(`${url}/health/live`)).status).toBe(200);
  expect((await running).status).toBe(200);
  await closing;
  await expect(count(1)).rejects.toThrow();
});

test("a worker that ends does not wait longer than it may", async () => {
  const { worker, count } = await listening(500);
  const running = count(2 ** 50);
  running.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const started = performance.now();
  await worker.close();
  expect(performance.now() - started).toBeLessThan(5000);
  await expect(running).rejects.toThrow();
});

test("a cache folder has one worker; a second is told which process has it", async () => {
  const first = await testWorker();
  ends.push(first.end);
  await expect(testWorker({ cacheFolder: first.folder })).rejects.toThrow(
    `in use by the worker with process id ${process.pid}; stop it first`,
  );
  await first.close();
  const second = await testWorker({ cacheFolder: first.folder });
  await second.end();
});
