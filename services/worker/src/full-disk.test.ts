import { spawnSync } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { GraphBuilder } from "@modulehub/onnx";
import { afterEach, describe, expect, test } from "vitest";
import { affine } from "./testing/graphs.ts";
import { plainSignature, type TestModule, testModule } from "./testing/modules.ts";
import { sentenceTransformer } from "./testing/text-modules.ts";
import { hubForWorker, postToWorker, startWorkerProcess } from "./testing/worker-process.ts";

/**
 * A worker whose disk is full. Its cache is a small file system in memory, mounted for its process alone, which takes
 * Linux and root, or a system that lets users make namespaces.
 */

const NAMESPACE = ["--mount", ...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"])];
const CAN_MOUNT =
  process.platform === "linux" &&
  spawnSync("unshare", [...NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;
if (!CAN_MOUNT)
  console.info(
    "A full disk under a worker is not tested: no file system can be mounted in a namespace here.",
  );

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const row = { dtype: "float32" as const, shape: ["batch", 3] };
const plain = (fill: number, bytes = 100_000) =>
  testModule(
    affine(),
    { signatures: plainSignature(row, row) },
    { "data.bin": new Uint8Array(bytes).fill(fill) },
  );

async function hubOf(modules: TestModule[]): Promise<string> {
  const hub = await hubForWorker(modules);
  cleanups.push(hub.close);
  return hub.url;
}

/** A worker whose cache has so many megabytes. */
async function startSmall(megabytes: number, hubUrl: string) {
  const worker = await startWorkerProcess(hubUrl, {
    launcher: ["unshare", ...NAMESPACE],
    first: `mount -t tmpfs -o size=${megabytes}m tmpfs "$MODULEHUB_CACHE"`,
  });
  cleanups.push(worker.remove);
  const { child, url, token } = worker;
  const cache = join(`/proc/${child.pid}/root`, worker.cache);
  const ask = async (operation: string, module: TestModule, body: object) => {
    const answer = await postToWorker(worker, operation, module.digest, body);
    return {
      status: answer.status,
      headers: answer.headers,
      body: (await answer.json()) as { embeddings?: number[][] },
    };
  };
  const infer = (module: TestModule) => ask("infer", module, { inputs: { x: [[1, 2, 3]] } });
  const metrics = async (name: string) => {
    const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
    return Number(new RegExp(`^modulehub_worker_${name} (\\S+)$`, "m").exec(await answer.text())?.[1]);
  };
  return { cache, ask, infer, metrics };
}

/** Takes what room there is, but for so many bytes. */
function fill(cache: string, spare = 0): void {
  const file = openSync(join(cache, "ballast"), "w");
  const chunk = Buffer.alloc(65_536);
  try {
    for (;;) writeSync(file, chunk);
  } catch (error) {
    expect(error).toMatchObject({ code: "ENOSPC" });
  } finally {
    if (spare > 0) ftruncateSync(file, fstatSync(file).size - spare);
    closeSync(file);
  }
}

const RIGHT = { status: 200, body: { outputs: { y: { data: [3, 5, 7] } } } };

describe.runIf(CAN_MOUNT)("with a full disk", () => {
  test("what is here is served, what isn't is refused with what to do, and fetched when there is room", async () => {
    const [here, absent] = [plain(1), plain(2)];
    const { cache, infer, ask } = await startSmall(32, await hubOf([here, absent]));
    expect(await infer(here)).toMatchObject(RIGHT);
    const before = ["modules", "blobs", "incoming", "drafts"].map((name) => readdirSync(join(cache, name)));
    fill(cache);

    for (let times = 0; times < 3; times++) {
      const refused = await infer(absent);
      expect(refused).toMatchObject({
        status: 503,
        body: { code: "store-unavailable", detail: "The disk of the worker's cache is full." },
      });
      expect(refused.headers.get("retry-after")).toBe("30");
    }
    const inspected = await ask("inspect", absent, { digest: absent.digest, files: absent.files });
    expect(inspected).toMatchObject({ status: 503, body: { code: "store-unavailable" } });
    expect(await infer(here)).toMatchObject(RIGHT);
    const after = ["modules", "blobs", "incoming", "drafts"].map((name) => readdirSync(join(cache, name)));
    expect([after[0], after[2], after[3]]).toEqual([before[0], before[2], before[3]]);
    // Of the absent one nothing but whole files that it shares with others, if any.
    for (const hex of after[1]!)
      expect([...here.blobs.keys(), ...absent.blobs.keys()]).toContain(`sha256:${hex}`);

    rmSync(join(cache, "ballast"));
    expect(await infer(absent)).toMatchObject(RIGHT);
    expect(await infer(here)).toMatchObject(RIGHT);
  });

  test("a graph that can't be written with its steps after the run is served all the same", async () => {
    const texts = sentenceTransformer();
    const { cache, ask } = await startSmall(32, await hubOf([texts]));
    const embed = () => ask("embed", texts, { inputs: "the cat sat on the mat" });
    // Fetches the files and loads nothing.
    const unknown = await ask("infer", texts, { signature: "none", inputs: {} });
    expect(unknown).toMatchObject({ status: 422, body: { code: "signature-unknown" } });
    const folder = join(cache, "modules", texts.digest.slice("sha256:".length));
    const made = () => readdirSync(folder).filter((name) => name.startsWith(".compiled-"));
    fill(cache);
    const full = await embed();
    expect(full.status).toBe(200);
    const [vector] = full.body.embeddings ?? [];
    expect(Math.hypot(...vector!)).toBeCloseTo(1, 5);
    expect(made().filter((name) => name.endsWith(".onnx"))).toEqual([]);

    rmSync(join(cache, "ballast"));
    expect((await embed()).body.embeddings).toEqual([vector]);
  });

  test("a graph that can't be written in optimised form is served as it is", async () => {
    const g = new GraphBuilder({ name: "large" });
    const ones = {
      dtype: "float32" as const,
      shape: [3, 350_000],
      data: new Float32Array(1_050_000).fill(1),
    };
    const products = g.matMul(g.input("x", "float32", ["batch", 3]), g.constant(ones, "W"));
    g.output("y", g.reduceMean(products, g.ints([1])));
    const column = { dtype: "float32" as const, shape: ["batch", 1] };
    const large = testModule(g.toBytes(), { signatures: plainSignature(row, column) });
    // 4 MB of weights fit, and the worker's code, but not the same again.
    const { cache, infer, metrics } = await startSmall(32, await hubOf([large]));
    fill(cache, 6 * 2 ** 20);
    // 1 + 2 + 3
    const sums = { status: 200, body: { outputs: { y: { data: [6] } } } };
    expect(await infer(large)).toMatchObject(sums);
    await expect
      .poll(async () => await metrics("engine_optimizations_failed_total"), { timeout: 20_000 })
      .toBe(1);
    expect(await infer(large)).toMatchObject(sums);
    const folder = join(cache, "modules", large.digest.slice("sha256:".length));
    expect(readdirSync(folder).sort()).toEqual(["model.onnx", "module.json"]);
  });

  test("that the disk is full is not held against a module that is inspected", async () => {
    const texts = sentenceTransformer();
    const { cache, ask } = await startSmall(32, await hubOf([texts]));
    const inspect = () => ask("inspect", texts, { digest: texts.digest, files: texts.files });
    expect(await inspect()).toMatchObject({ status: 200, body: { outcome: "accepted" } });
    // Its files are kept; there is only no room for what is made of them.
    fill(cache);
    expect(await inspect()).toMatchObject({ status: 503, body: { code: "store-unavailable" } });
    rmSync(join(cache, "ballast"));
    expect(await inspect()).toMatchObject({ status: 200, body: { outcome: "accepted" } });
  });
});
