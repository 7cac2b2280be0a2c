import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { affine } from "./testing/graphs.ts";
import { plainSignature, testModule } from "./testing/modules.ts";
import { askWorker, hubForWorker, startWorkerProcess } from "./testing/worker-process.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const row = { dtype: "float32" as const, shape: ["batch", 3] };
const module = testModule(affine(), { signatures: plainSignature(row, row) });

async function hub() {
  const found = await hubForWorker([module]);
  cleanups.push(found.close);
  return found;
}

async function start(hubUrl: string) {
  const worker = await startWorkerProcess(hubUrl);
  cleanups.push(worker.remove);
  const ask = () => askWorker(worker, module.digest, [[1, 2, 3]]);
  return { ...worker, ask };
}

test("the worker says where it listens, fetches modules with its token, and ends cleanly on SIGTERM", async () => {
  const { url: hubUrl, tokens } = await hub();
  const { child, ask, token, ended } = await start(hubUrl);
  const answer = await ask();
  expect(await answer.json()).toMatchObject({ outputs: { y: { data: [3, 5, 7] } } });
  expect([...tokens]).toEqual([`Bearer ${token}`]);
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
});

test("the worker ends when who started it is gone", async () => {
  const { url: hubUrl } = await hub();
  const { child } = await start(hubUrl);
  child.disconnect();
  // Its last act, after all is closed: what fails on the way ends with 1.
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
});

test("a module that is loaded keeps answering while the hub is away; others get 503", async () => {
  const { url: hubUrl, close } = await hub();
  const worker = await start(hubUrl);
  expect((await worker.ask()).status).toBe(200);
  await close();
  expect((await worker.ask()).status).toBe(200);
  const other = await askWorker(worker, `sha256:${"1".repeat(64)}`, [[1, 2, 3]]);
  expect(other.status).toBe(503);
  expect(await other.json()).toMatchObject({ code: "store-unavailable" });
});

test("deadlines that no timer can wait for are refused, with their names", () => {
  const { status, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, "main.ts")], {
    env: {
      PATH: process.env.PATH,
      MODULEHUB_WORKER_PORT: "0",
      MODULEHUB_HUB_URL: "http://127.0.0.1:1",
      MODULEHUB_WORKER_TOKEN: "a-token-for-tests-only",
      MODULEHUB_LOAD_SECONDS: "1073742",
      MODULEHUB_RUN_SECONDS: "2147484",
    },
    encoding: "utf8",
    timeout: 30_000,
  });
  expect(status).toBe(2);
  expect(stderr).toMatch(/MODULEHUB_LOAD_SECONDS: .*86400/);
  expect(stderr).toMatch(/MODULEHUB_RUN_SECONDS: .*86400/);
});
