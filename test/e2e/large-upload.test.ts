import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Hub } from "@modulehub/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { accepted, type FakeWorker, startFakeWorker } from "../../services/api/src/testing/fake-worker.ts";
import { S3Double } from "../../services/api/src/testing/s3-double.ts";
import { manifest } from "../fixtures/hostile-modules.ts";
import { ROOT, residentBytes } from "./hub.ts";

/**
 * A module whose weights are a sparse file of so many GB is published to a hub with its blobs in S3, which a double
 * that drops the bytes stands for: `MODULEHUB_LARGE_GB=100 npx vitest run --project e2e test/e2e/large-upload.test.ts`.
 */

const GIGABYTES = Number(process.env.MODULEHUB_LARGE_GB ?? 1);
const SIZE = GIGABYTES * 1e9;
const TOKEN = "a-worker-token-for-tests";

const data = mkdtempSync(join(tmpdir(), "modulehub-large-"));
let double: S3Double;
let worker: FakeWorker;
let api: ChildProcess;
let url: string;
beforeAll(async () => {
  double = new S3Double({ drops: true });
  const { endpoint, bucket, credentials } = await double.start();
  worker = await startFakeWorker(TOKEN);
  worker.behaviour.inspect = () => accepted();
  api = fork(join(ROOT, "services/api/src/main.ts"), {
    execArgv: ["--max-semi-space-size=1"],
    env: {
      PATH: process.env.PATH,
      MODULEHUB_DATA: data,
      MODULEHUB_PORT: "0",
      MODULEHUB_LOG_LEVEL: "warn",
      MODULEHUB_WORKER_URL: worker.url,
      MODULEHUB_WORKER_TOKEN: TOKEN,
      MODULEHUB_S3_ENDPOINT: endpoint,
      MODULEHUB_S3_BUCKET: bucket,
      MODULEHUB_S3_ACCESS_KEY_ID: credentials?.accessKeyId,
      MODULEHUB_S3_SECRET_ACCESS_KEY: credentials?.secretAccessKey,
    },
  });
  const [message] = (await once(api, "message")) as [{ url: string }];
  url = message.url;
});
afterAll(async () => {
  api.kill("SIGKILL");
  await worker.close();
  await double.stop();
  rmSync(data, { recursive: true, force: true });
});

async function publish(name: string, bytes: number): Promise<unknown> {
  const folder = mkdtempSync(join(data, "module-"));
  writeFileSync(join(folder, "module.json"), manifest());
  writeFileSync(join(folder, "model.onnx"), `the graph of ${name}`);
  const weights = openSync(join(folder, "weights.bin"), "w");
  ftruncateSync(weights, bytes);
  closeSync(weights);
  const token = readFileSync(join(data, "admin-token"), "utf8").trim();
  let last: unknown;
  for await (const event of new Hub({ url, token }).publish(folder, name, { createPublisher: true }))
    last = event;
  return last;
}

test(
  `a module of ${GIGABYTES} GB goes through, and the API grows by at most 60 MB`,
  async () => {
    // Warm: all that a first large upload loads has been loaded.
    expect(await publish("acme/warm", 20e6)).toMatchObject({ kind: "published" });
    await sleep(2_000);
    const memory = () => residentBytes(api.pid!) ?? 0;
    const idle = memory();
    let peak = idle;
    const watch = setInterval(() => {
      peak = Math.max(peak, memory());
    }, 50);
    const began = performance.now();
    const last = await publish("acme/large", SIZE);
    clearInterval(watch);
    const seconds = (performance.now() - began) / 1_000;
    console.log(
      `${GIGABYTES} GB in ${seconds.toFixed(0)} s; API: idle ${(idle / 1e6).toFixed(0)} MB, peak ${(peak / 1e6).toFixed(0)} MB`,
    );
    expect(last).toMatchObject({ kind: "published" });
    const sent = double.requests.filter(({ operation }) => operation === "UploadPart");
    const total = sent.reduce((sum, { bytes }) => sum + bytes, 0);
    // The two modules' weights and their smaller files, each byte once.
    expect(total).toBeGreaterThanOrEqual(SIZE + 20e6);
    expect(total).toBeLessThan(SIZE + 20e6 + 100_000);
    expect((peak - idle) / 1e6, `${idle} → ${peak} bytes`).toBeLessThanOrEqual(60);
  },
  3 * 3_600_000,
);
