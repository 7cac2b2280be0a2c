import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Attributes } from "@modulehub/tracing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { affine } from "./testing/graphs.ts";
import { plainSignature, temporaryFolder, testModule } from "./testing/modules.ts";
import { TOKEN, testWorker } from "./testing/test-worker.ts";

let worker: Awaited<ReturnType<typeof testWorker>>;
beforeAll(async () => {
  worker = await testWorker();
});
afterAll(async () => {
  await worker.end();
});

const signatures = plainSignature(
  { dtype: "float32", shape: ["batch", 3] },
  { dtype: "float32", shape: ["batch", 3] },
);

test("a module is fetched by digest and answers in the wire form of infer", async () => {
  const module = worker.source.add(testModule(affine(), { signatures }));
  const answer = await worker.post("/v1/infer", module, {
    inputs: {
      x: [
        [1, 2, 3],
        [4, 5, 6],
      ],
    },
  });
  expect(answer.json()).toEqual({
    module: "test/module",
    version: 1,
    digest: module.digest,
    outputs: { y: { dtype: "float32", shape: [2, 3], data: [3, 5, 7, 9, 11, 13] } },
  });
  expect(answer.statusCode).toBe(200);
});

test("inspection accepts a plain graph and proves that it batches", async () => {
  const module = testModule(affine(), { signatures, examples: [{ inputs: { x: [[1, 2, 3]] } }] });
  worker.source.add(module);
  const answer = await worker.post("/v1/inspect", module, { digest: module.digest, files: module.files });
  expect(answer.json()).toMatchObject({
    outcome: "accepted",
    report: {
      signatures: { default: { batching: { inputs: { x: 0 }, outputs: { y: 0 }, pad: {} } } },
      examples: [
        { signature: "default", outputs: { y: { dtype: "float32", shape: [1, 3], data: [3, 5, 7] } } },
      ],
    },
  });
});

test("readiness names the provider that really ran something", async () => {
  await expect
    .poll(async () => (await worker.app.inject("/health/ready")).json(), { timeout: 10_000 })
    .toMatchObject({ status: "ready", executionProviders: ["cpu"], runtimeVersion: "1.30.0" });
});

test("an execution provider that is configured and can't be had is named with the reason, and the others serve", async () => {
  const other = await testWorker({ executionProviders: ["cuda", "cpu"] });
  try {
    const health = async () => (await other.app.inject({ url: "/health/ready" })).json();
    // This machine has no CUDA; ONNX Runtime says that a library of it is missing.
    await expect.poll(health, { timeout: 20_000 }).toMatchObject({
      status: "ready",
      executionProviders: ["cpu"],
      unavailable: [{ executionProvider: "cuda", reason: expect.stringMatching(/cuda/i) }],
    });
    const headers = { authorization: `Bearer ${TOKEN}` };
    const { payload } = await other.app.inject({ url: "/metrics", headers });
    expect(payload).toContain('modulehub_worker_execution_provider_usable{provider="cuda"} 0');
    expect(payload).toContain('modulehub_worker_execution_provider_usable{provider="cpu"} 1');
  } finally {
    await other.end();
  }
}, 60_000);

test("a worker none of whose execution providers can be had is not ready, says why, and serves nothing", async () => {
  const other = await testWorker({ executionProviders: ["cuda"] });
  try {
    const health = async () => (await other.app.inject({ url: "/health/ready" })).json();
    await expect
      .poll(health, { timeout: 20_000 })
      .toMatchObject({ status: "starting", ready: false, reason: expect.stringMatching(/^cuda: .*cuda/i) });
    const module = other.source.add(
      testModule(affine(), {
        signatures: plainSignature(
          { dtype: "float32", shape: ["n", 3] },
          { dtype: "float32", shape: ["n", 3] },
        ),
      }),
    );
    const answer = await other.post("/v1/infer", module, { inputs: { x: [[1, 2, 3]] } });
    expect(answer.json()).toMatchObject({ code: "worker-unavailable", status: 503 });
  } finally {
    await other.end();
  }
}, 60_000);

test("a worker that takes long to start is ready all the same, whatever is known before", async () => {
  const { folder, remove } = await temporaryFolder();
  // The list of a module that an earlier run left: reading it waits for who writes, longer than trying engines takes.
  const list = join(folder, "modules", `${"0".repeat(64)}.json`);
  await mkdir(dirname(list), { recursive: true });
  execFileSync("mkfifo", [list]);
  const starting = testWorker({ cacheFolder: folder, executionProviders: ["cuda", "cpu"] });
  await sleep(5_000);
  await writeFile(list, "not a list");
  const other = await starting;
  try {
    const health = async () => (await other.app.inject({ url: "/health/ready" })).json();
    await expect.poll(health, { timeout: 20_000 }).toMatchObject({ executionProviders: ["cpu"] });
  } finally {
    await other.end();
    await remove();
  }
}, 60_000);

test("everything but health needs the token", async () => {
  expect((await worker.app.inject("/health/live")).statusCode).toBe(200);
  expect((await worker.app.inject("/metrics")).statusCode).toBe(401);
  const wrong = await worker.app.inject({ url: "/metrics", headers: { authorization: `Bearer ${TOKEN}x` } });
  expect(wrong.json()).toMatchObject({ status: 401, code: "unauthenticated" });
});

test("a request's span tells what it waited for and how it ran, once for all of its items", async () => {
  const parts: [string, number, number, Attributes | undefined][] = [];
  const ends: [string, Attributes, boolean][] = [];
  const traced = await testWorker({
    tracing: {
      request: () => ({
        headers: {},
        part: (name, started, ended, attributes) => parts.push([name, started, ended, attributes]),
        end: (...end) => ends.push(end),
      }),
      close: async () => undefined,
    },
  });
  const batching = { default: { inputs: { x: 0 }, outputs: { y: 0 }, pad: {} } };
  const module = traced.source.add(testModule(affine(), { signatures }, {}, batching));
  const answer = await traced.post("/v1/infer", module, {
    inputs: {
      x: [
        [1, 2, 3],
        [4, 5, 6],
      ],
    },
  });
  expect(answer.statusCode).toBe(200);
  expect(parts.map(([name]) => name)).toEqual(["queue", "compute"]);
  const [queue, compute] = parts;
  expect(queue![2]).toBe(compute![1]);
  expect(compute![2]).toBeGreaterThan(compute![1]);
  expect(compute![3]).toMatchObject({ "modulehub.batch.items": 2, "modulehub.batch.padding": 0 });
  expect(ends).toEqual([["POST /v1/infer", expect.objectContaining({ "http.route": "/v1/infer" }), false]]);
  await traced.end();
});
