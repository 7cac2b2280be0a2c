import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GraphBuilder } from "@modulehub/onnx";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { int64, loadSpec, moduleFolder, rows3, TEST_LIMITS, testEngine } from "../testing/engines.ts";
import { affine, allocating, allocatingAtLoad, endless, repeating } from "../testing/graphs.ts";
import { plainSignature, temporaryFolder } from "../testing/modules.ts";
import type { EngineProcess } from "./engine-process.ts";

let place: Awaited<ReturnType<typeof temporaryFolder>>;
const engines: EngineProcess[] = [];
beforeAll(async () => {
  place = await temporaryFolder();
});
afterEach(async () => {
  for (const engine of engines.splice(0)) {
    engine.kill();
    await engine.exited;
  }
});
afterAll(async () => {
  await place.remove();
});

async function engineWith(
  name: string,
  graph: Uint8Array,
  output: "int64" | "float32" | "string" = "int64",
  memoryBytes: number = TEST_LIMITS.memoryBytes,
) {
  const signatures = plainSignature({ dtype: "int64", shape: [1] }, { dtype: output, shape: ["n"] });
  const folder = await moduleFolder(place.folder, name, graph, signatures);
  const engine = await testEngine({ ...TEST_LIMITS, memoryBytes });
  engines.push(engine);
  return { engine, spec: await loadSpec(folder) };
}

test("an engine loads a module's graph and runs it", async () => {
  const row = { dtype: "float32" as const, shape: ["batch", 3] };
  const folder = await moduleFolder(place.folder, "affine", affine(), plainSignature(row, row));
  const engine = await testEngine();
  engines.push(engine);
  const info = await engine.load(await loadSpec(folder), 10_000);
  expect(info).toMatchObject({ feeds: ["x"], fetches: ["y"], executionProviders: ["cpu"] });
  const fetches = await engine.run("default", new Map([["x", rows3(1, 2, 3)]]), 10_000);
  expect(fetches.get("y")).toEqual(rows3(3, 5, 7));
});

test("feeds that the runtime refuses leave the engine alive", async () => {
  const row = { dtype: "float32" as const, shape: ["batch", 3] };
  const folder = await moduleFolder(place.folder, "affine", affine(), plainSignature(row, row));
  const engine = await testEngine();
  engines.push(engine);
  await engine.load(await loadSpec(folder), 10_000);
  await expect(engine.run("default", new Map([["x", int64(1)]]), 10_000)).rejects.toMatchObject({
    code: "run-failed",
  });
  expect((await engine.run("default", new Map([["x", rows3(1, 2, 3)]]), 10_000)).get("y")).toEqual(
    rows3(3, 5, 7),
  );
});

test("a run that never ends is ended at its deadline, by killing the engine", async () => {
  const { engine, spec } = await engineWith("endless", endless());
  await engine.load(spec, 10_000);
  expect((await engine.run("default", new Map([["x", int64(1)]]), 5000)).get("y")).toEqual(int64(2));
  const started = performance.now();
  await expect(engine.run("default", new Map([["x", int64(2 ** 50)]]), 500)).rejects.toMatchObject({
    during: "run",
    exit: { kind: "timeout" },
  });
  expect(performance.now() - started).toBeLessThan(3000);
  expect(engine.residentBytes()).toBe(0);
});

test("a run that takes gigabytes fails cleanly, and the session stays usable", async () => {
  const { engine, spec } = await engineWith("allocating", allocating(), "float32");
  await engine.load(spec, 10_000);
  await expect(engine.run("default", new Map([["x", int64(2 ** 31)]]), 10_000)).rejects.toMatchObject({
    code: "out-of-memory",
  });
  const fetches = await engine.run("default", new Map([["x", int64(10)]]), 10_000);
  expect(fetches.get("y")?.data[0]).toBeCloseTo(10 * Math.exp(1.5), 4);
  expect(engine.residentBytes()).toBeLessThan(2 ** 28);
});

test("a load that takes gigabytes fails without taking them", async () => {
  const { engine, spec } = await engineWith("allocating-at-load", allocatingAtLoad(6e9), "float32");
  const failed = await engine.load(spec, 20_000).then(
    () => undefined,
    (error: unknown) => error,
  );
  // ONNX Runtime may fold the constant when it loads, or leave it for the run.
  if (failed) expect(failed).toMatchObject({ code: "out-of-memory" });
  expect(engine.residentBytes()).toBeLessThan(2 ** 29);
});

test("a model that aborts the process ends its engine and nothing else", async () => {
  const { engine, spec } = await engineWith("repeating", repeating(), "string", 384 * 2 ** 20);
  const other = await engineWith("endless-2", endless());
  await other.engine.load(other.spec, 10_000);
  await engine.load(spec, 10_000);
  await expect(engine.run("default", new Map([["x", int64(6_000_000)]]), 30_000)).rejects.toMatchObject({
    exit: { kind: "crash" },
  });
  expect((await other.engine.run("default", new Map([["x", int64(1)]]), 5000)).get("y")).toEqual(int64(2));
});

test("what is asked of an engine that has died is refused at once", async () => {
  const { engine, spec } = await engineWith("endless", endless());
  engine.kill();
  await engine.exited;
  await expect(engine.load(spec, 10_000)).rejects.toMatchObject({
    during: "start",
    exit: { kind: "killed" },
  });
});

const LINUX = process.platform === "linux";
if (!LINUX) console.info("Environment and memory of engines are not tested: there is no /proc here.");

test.runIf(LINUX)("an engine sees nothing of the worker's environment", async () => {
  process.env.SECRET_FOR_THIS_TEST = "must not leak";
  const { engine } = await engineWith("endless", endless());
  const names = readFileSync(`/proc/${engine.pid}/environ`, "utf8")
    .split("\0")
    .filter(Boolean)
    .map((line) => line.split("=")[0]);
  expect(names.sort()).toEqual([
    "GLIBC_TUNABLES",
    "MALLOC_ARENA_MAX",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TRIM_THRESHOLD_",
    "NODE_COMPILE_CACHE",
    "ORT_DISABLE_TELEMETRY",
    "PATH",
  ]);
  expect(readFileSync(`/proc/${engine.pid}/oom_score_adj`, "utf8").trim()).toBe("1000");
});

test.runIf(LINUX)("an engine with nothing loaded takes little memory", async () => {
  // The first one compiles the code, and keeps it for the next.
  await engineWith("endless", endless());
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const { engine } = await engineWith("endless", endless());
  // 61 MB were measured; with the schemas' library and TypeScript's compiler in it, 105 MB.
  expect(engine.residentBytes()).toBeLessThan(80e6);
});

test("feeds too large for the pipe are refused, and the engine lives on", async () => {
  const { engine, spec } = await engineWith("endless", endless());
  await engine.load(spec, 10_000);
  const huge = { dtype: "int64" as const, shape: [2 ** 25], data: new BigInt64Array(2 ** 25) };
  await expect(engine.run("default", new Map([["x", huge]]), 10_000)).rejects.toMatchObject({
    code: "body-too-large",
  });
  expect((await engine.run("default", new Map([["x", int64(1)]]), 10_000)).get("y")).toEqual(int64(2));
});

test("a damaged optimised graph is never run: the engine removes it and loads the graph itself", async () => {
  const g = new GraphBuilder({ name: "weights" });
  const weights = { dtype: "float32" as const, shape: [3], data: Float32Array.of(10, 20, 30) };
  g.output("y", g.mul(g.input("x", "float32", ["batch", 3]), g.constant(weights, "W")));
  const row = { dtype: "float32" as const, shape: ["batch", 3] };
  const folder = await moduleFolder(place.folder, "damaged", g.toBytes(), plainSignature(row, row));
  const spec = await loadSpec(folder);
  const first = await testEngine();
  engines.push(first);
  await first.optimize(spec, 20_000);
  const optimized = readdirSync(folder).find((name) => name.endsWith(".ort"))!;
  const whole = readFileSync(join(folder, optimized));
  for (const damaged of [whole.subarray(0, whole.length >> 1), Buffer.alloc(whole.length), Buffer.alloc(0)]) {
    writeFileSync(join(folder, optimized), damaged);
    const engine = await testEngine();
    engines.push(engine);
    expect(await engine.load(spec, 10_000)).toMatchObject({ optimized: false });
    const fetches = await engine.run("default", new Map([["x", rows3(1, 2, 3)]]), 10_000);
    expect(fetches.get("y")).toEqual(rows3(10, 40, 90));
    expect(readdirSync(folder)).not.toContain(optimized);
  }
});
