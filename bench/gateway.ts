import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hub } from "@modulehub/client";
import { WORKER_HEADERS, WORKER_ROUTES } from "@modulehub/core";
import { GraphBuilder, modelBytes } from "@modulehub/onnx";
import { Pool } from "undici";
import { startServices } from "./services.ts";

/** Pairs of blocks, a call at a time; each block is this many calls of one kind. */
const PAIRS = 15;
const BLOCK = 200;

/**
 * What the gateway adds to a call made to the worker directly: the same small module, the same body, one
 * client, blocks interleaved. Medians in milliseconds; the figure is the median over pairs of their
 * difference. The promise is at most 0.5 ms.
 */
export async function run(): Promise<Record<string, number>> {
  const services = await startServices();
  const folder = mkdtempSync(join(tmpdir(), "modulehub-bench-module-"));
  try {
    const { digest } = await publishIdentity(services.api, services.adminToken, folder);
    const body = JSON.stringify({ inputs: { x: [[1, 2, 3, 4]] } });
    const direct = caller(services.worker, WORKER_ROUTES.infer, body, {
      authorization: `Bearer ${services.workerToken}`,
      [WORKER_HEADERS.digest]: digest,
      [WORKER_HEADERS.module]: "bench/identity",
      [WORKER_HEADERS.version]: "1",
    });
    const gateway = caller(services.api, "/v1/modules/bench/identity/versions/1/infer", body, {
      authorization: `Bearer ${services.adminToken}`,
    });
    await block(direct.call);
    await block(gateway.call);
    const differences: number[] = [];
    const directs: number[] = [];
    const gateways: number[] = [];
    for (let pair = 0; pair < PAIRS; pair++) {
      const [first, second] = pair % 2 === 0 ? [direct, gateway] : [gateway, direct];
      const a = await block(first.call);
      const b = await block(second.call);
      const [directMs, gatewayMs] = pair % 2 === 0 ? [a, b] : [b, a];
      directs.push(directMs);
      gateways.push(gatewayMs);
      differences.push(gatewayMs - directMs);
    }
    await Promise.all([direct.close(), gateway.close()]);
    return {
      directP50Ms: median(directs),
      gatewayP50Ms: median(gateways),
      gatewayAddsMs: median(differences),
      gatewayOverDirect: median(gateways) / median(directs),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await services.stop();
  }
}

/** Median time of a block's calls, in milliseconds. */
async function block(call: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let index = 0; index < BLOCK; index++) {
    const start = performance.now();
    await call();
    times.push(performance.now() - start);
  }
  return median(times);
}

function caller(origin: string, path: string, body: string, headers: Record<string, string>) {
  const pool = new Pool(origin, { connections: 1 });
  return {
    async call() {
      const answer = await pool.request({
        method: "POST",
        path,
        body,
        headers: { ...headers, "content-type": "application/json" },
      });
      const text = await answer.body.text();
      if (answer.statusCode !== 200 || !text.includes('"data":[1,2,3,4]'))
        throw new Error(`${path} answered ${answer.statusCode}: ${text}`);
    },
    close: () => pool.close(),
  };
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

async function publishIdentity(url: string, token: string, folder: string): Promise<{ digest: string }> {
  const builder = new GraphBuilder({ name: "identity" });
  builder.output("y", builder.identity(builder.input("x", "float32", ["batch", 4])));
  writeFileSync(join(folder, "model.onnx"), modelBytes(builder.toModel()));
  const spec = { dtype: "float32", shape: ["batch", 4] };
  writeFileSync(
    join(folder, "module.json"),
    JSON.stringify({
      schemaVersion: 1,
      task: "other",
      signatures: { default: { inputs: { x: spec }, outputs: { y: spec } } },
      examples: [{ inputs: { x: [[1, 2, 3, 4]] } }],
    }),
  );
  const hub = new Hub({ url, token });
  for await (const event of hub.publish(folder, "bench/identity", { createPublisher: true }))
    if (event.kind === "published") return { digest: event.digest };
  throw new Error("publishing ended without a version");
}
