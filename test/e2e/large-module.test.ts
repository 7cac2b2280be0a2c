import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from "node:fs";

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { manifest } from "../fixtures/hostile-modules.ts";
import { externalTensor, model, node, value } from "../fixtures/raw-graph.ts";
import { call, cleanUp, command, type RunningHub, startHub, temporaryFolder } from "./hub.ts";

/** A module of 1 GB goes through the hub without the API holding it in memory. */

const GIGABYTE = 2 ** 30;
const ROWS = GIGABYTE / 16;

let hub: RunningHub;
beforeAll(async () => {
  // The second start: the first one's memory has the making of the database in it, which would flatter the rest.
  const first = await startHub({ examples: false });
  expect(await first.interrupt()).toBe(0);
  hub = await startHub({ data: first.data, examples: false });
});
afterAll(cleanUp);

/** y = x + w[0], with a table w of 1 GB in a (sparse) file of zeros beside the graph. */
function writeModule(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "module.json"), manifest());
  writeFileSync(
    join(folder, "model.onnx"),
    model({
      nodes: [node("Gather", ["w", "row"], ["bias"]), node("Add", ["x", "bias"], ["y"])],
      inputs: [value("x", "float32", ["batch", 4])],
      outputs: [value("y", "float32", ["batch", 4])],
      initializers: [["row", { dtype: "int64", shape: [], data: BigInt64Array.of(0n) }]],
      external: [
        externalTensor("w", [ROWS, 4], { location: "weights.bin", offset: "0", length: String(GIGABYTE) }),
      ],
    }),
  );
  const file = openSync(join(folder, "weights.bin"), "w");
  ftruncateSync(file, GIGABYTE);
  closeSync(file);
}

/** What each of the API's processes holds now, in bytes; they say it of themselves. */
const apiMemory = (): Promise<number[]> =>
  Promise.all(
    hub.apis.map(async (url) => {
      const metrics = await (await fetch(`${url}/metrics`)).text();
      const match = /^process_resident_memory_bytes (\S+)$/m.exec(metrics);
      expect(match, "the API's metrics name its memory").not.toBeNull();
      return Number(match![1]);
    }),
  );

test("publishing 1 GB lets the API grow by at most 60 MB over idle", async () => {
  const folder = join(temporaryFolder(), "large");
  writeModule(folder);
  // Warm: everything that a first publish loads has been loaded.
  const small = join(temporaryFolder(), "small");
  mkdirSync(small);
  writeFileSync(join(small, "module.json"), manifest());
  writeFileSync(
    join(small, "model.onnx"),
    model({
      nodes: [node("Relu", ["x"], ["y"])],
      inputs: [value("x", "float32", ["batch", 4])],
      outputs: [value("y", "float32", ["batch", 4])],
    }),
  );
  const env = { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: hub.token };
  expect(await command("npx", ["modulehub", "publish", small, "acme/small"], env)).toMatchObject({ code: 0 });
  await sleep(1000);

  const idle = await apiMemory();
  let peak = idle;
  let publishing = true;
  const watch = (async () => {
    while (publishing) {
      const now = await apiMemory();
      peak = peak.map((most, index) => Math.max(most, now[index]!));
      await sleep(100);
    }
  })();
  const published = await command("npx", ["modulehub", "publish", folder, "acme/large", "--json"], env);
  publishing = false;
  await watch;
  expect(published.code, published.stderr).toBe(0);
  const mebibytes = (bytes: number[]) => bytes.map((each) => (each / 2 ** 20).toFixed(0)).join(" and ");
  console.log(`API: idle ${mebibytes(idle)} MiB, peak while publishing 1 GiB ${mebibytes(peak)} MiB`);
  for (const [index, most] of peak.entries())
    expect((most - idle[index]!) / 1e6, `${idle} → ${peak} bytes`).toBeLessThanOrEqual(60);

  const answer = await call(hub, "POST", "/v1/modules/acme/large/infer", { inputs: { x: [[1, 2, 3, 4]] } });
  expect(await answer.json()).toMatchObject({ outputs: { y: { data: [1, 2, 3, 4] } } });
});
