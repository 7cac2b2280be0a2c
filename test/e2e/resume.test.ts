import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { manifest } from "../fixtures/hostile-modules.ts";
import { externalTensor, model, node, value } from "../fixtures/raw-graph.ts";
import { type CountingProxy, startCountingProxy } from "./counting-proxy.ts";
import { call, cleanUp, command, ON_PARTS, ROOT, type RunningHub, startHub, temporaryFolder } from "./hub.ts";

/** Client and hub are killed in the middle of an upload of 20 parts, and both started again. */

/** S3's parts are larger, and several of them on their way at once. */
const PART = ON_PARTS ? 5 * 2 ** 20 : 2 ** 20;
const AT_ONCE = ON_PARTS ? 4 : 1;
const PARTS = 20;
const KILLED_AT = 7;

let proxy: CountingProxy;
/** Where parts go that are sent to the store. */
let storeProxy: CountingProxy;
let hub: RunningHub;
const start = async (data?: string) => {
  hub = await startHub({
    ...(data !== undefined && { data }),
    examples: false,
    env: {
      MODULEHUB_UPLOAD_PART_SIZE: String(PART),
      MODULEHUB_PUBLIC_URL: proxy.url,
      ...(ON_PARTS && { MODULEHUB_S3_PUBLIC_ENDPOINT: storeProxy.url }),
    },
  });
  proxy.target = hub.url;
  storeProxy.target = hub.storeUrl ?? storeProxy.target;
};
beforeAll(async () => {
  proxy = await startCountingProxy();
  storeProxy = await startCountingProxy();
  await start();
});
afterAll(async () => {
  proxy.close();
  storeProxy.close();
  await cleanUp();
});

/** y = x + w[0], with a table w of exactly 20 parts beside the graph, no two parts alike. */
function writeModule(folder: string): void {
  const rows = (PART * PARTS) / 16;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "module.json"), manifest());
  writeFileSync(
    join(folder, "model.onnx"),
    model({
      nodes: [node("Gather", ["w", "row"], ["bias"]), node("Add", ["x", "bias"], ["y"])],
      inputs: [value("x", "float32", ["batch", 4])],
      outputs: [value("y", "float32", ["batch", 4])],
      initializers: [["row", { dtype: "int64", shape: [], data: BigInt64Array.of(1n) }]],
      external: [
        externalTensor("w", [rows, 4], {
          location: "weights.bin",
          offset: "0",
          length: String(PART * PARTS),
        }),
      ],
    }),
  );
  writeFileSync(
    join(folder, "weights.bin"),
    Float32Array.from({ length: rows * 4 }, (_, index) => index),
  );
}

const env = () => ({ MODULEHUB_URL: proxy.url, MODULEHUB_TOKEN: hub.token });
const CLIENT = [join(ROOT, "packages/cli/src/main.ts")];
const NODE = join(ROOT, "node_modules/.bin/node");

test("killed at part 7 of 20 and started again, client and hub send no more twice than was on its way", async () => {
  const folder = join(temporaryFolder(), "module");
  writeModule(folder);
  const half = Promise.withResolvers<void>();
  proxy.onPart = (n, bytes) => {
    if (n === KILLED_AT && bytes > PART / 2) half.resolve();
  };
  storeProxy.onPart = proxy.onPart;
  const client: ChildProcess = spawn(NODE, [...CLIENT, "publish", folder, "acme/resumed"], {
    env: { ...process.env, ...env() },
    stdio: "ignore",
  });
  const gone = new Promise((resolve) => client.once("exit", resolve));
  await half.promise;
  client.kill("SIGKILL");
  // The API itself: it would end in good order if only the process that started it were gone.
  await hub.killApi();
  await hub.kill();
  await gone;

  await start(hub.data);
  const again = await command(NODE, [...CLIENT, "publish", folder, "acme/resumed", "--json"], env());
  expect(again.code, again.stderr).toBe(0);

  const uploads = new Map<string, number>();
  for (const [name, bytes] of [...proxy.sent, ...storeProxy.sent]) {
    const [upload = ""] = name.split("/");
    uploads.set(upload, (uploads.get(upload) ?? 0) + bytes);
  }
  const large = [...uploads.values()].filter((bytes) => bytes > PART);
  expect(large, "the upload that was broken off is the one that is continued").toHaveLength(1);
  const twice = large[0]! - PART * PARTS;
  console.log(`${twice} bytes of parts of ${PART} were sent twice`);
  expect(twice).toBeGreaterThanOrEqual(0);
  expect(twice).toBeLessThanOrEqual(AT_ONCE * PART);

  // w[1] is 4, 5, 6, 7: the parts lie in their places.
  const answer = await call(hub, "POST", "/v1/modules/acme/resumed/infer", { inputs: { x: [[0, 0, 0, 0]] } });
  expect(await answer.json()).toMatchObject({ outputs: { y: { data: [4, 5, 6, 7] } } });
});
