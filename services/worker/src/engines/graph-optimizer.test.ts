import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadSpec, moduleFolder, rows3, testEngine } from "../testing/engines.ts";
import { affine } from "../testing/graphs.ts";
import { plainSignature, temporaryFolder } from "../testing/modules.ts";
import type { Engine, SessionSpec } from "./engine.ts";
import { GraphOptimizer } from "./graph-optimizer.ts";

const MIB = 2 ** 20;
const row = { dtype: "float32" as const, shape: ["batch", 3] };

let place: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  place = await temporaryFolder();
});
afterAll(() => place.remove());

const graph = async (name: string): Promise<SessionSpec> =>
  loadSpec(await moduleFolder(place.folder, name, affine(), plainSignature(row, row)));

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 20));
}

test("a graph that was loaded is kept in optimised form, which the next load takes, with the same results", async () => {
  const spec = await graph("kept");
  const optimizer = new GraphOptimizer({ spawn: testEngine, makeRoom: async () => true, deadlineMs: 20_000 });
  const load = async () => {
    const engine = await testEngine();
    const { optimized } = await engine.load(spec, 10_000);
    const y = (await engine.run("default", new Map([["x", rows3(1, 2, 3)]]), 10_000)).get("y");
    engine.kill();
    return { optimized, y };
  };
  const first = await load();
  expect(first.optimized).toBe(false);
  optimizer.loaded({ digest: "sha256:kept", bytes: 2 * MIB, spec });
  await until(() => optimizer.counts.written === 1);
  expect(await load()).toEqual({ optimized: true, y: first.y });
  await optimizer.close();
}, 60_000);

test("small modules, and those for which there is no room, are left as they are", async () => {
  const spec = await graph("left");
  let spawned = 0;
  const spawn = () => {
    spawned += 1;
    return testEngine();
  };
  const asked: { how: string; bytes: number }[] = [];
  const makeRoom = async (how: string) => {
    asked.push({ how, bytes: optimizer.heldBytes() });
    return false;
  };
  const optimizer = new GraphOptimizer({ spawn, makeRoom, deadlineMs: 20_000 });
  const large = { digest: "sha256:large", bytes: 100 * MIB, spec };
  optimizer.loaded({ digest: "sha256:small", bytes: 1000, spec });
  optimizer.loaded(large);
  await until(() => asked.length === 1);
  // It had to go, and came back: from now on others make room.
  optimizer.loaded(large);
  await until(() => asked.length === 2);
  await optimizer.close();
  expect(asked.map(({ how }) => how)).toEqual(["free", "evict"]);
  for (const { bytes } of asked) expect(bytes).toBeGreaterThan(200 * MIB);
  expect(optimizer.heldBytes()).toBe(0);
  expect(spawned).toBe(0);
});

test("a graph whose form can't be written is tried once, and a module that goes is let go", async () => {
  const spec = await graph("failing");
  const exited = Promise.resolve({ kind: "killed" as const });
  let tries = 0;
  let killed = 0;
  let stuck = false;
  const dead = Promise.withResolvers<never>();
  const engine = (): Engine => ({
    load: () => Promise.reject(new Error("not asked")),
    run: () => Promise.reject(new Error("not asked")),
    optimize: () => {
      tries += 1;
      return stuck ? dead.promise : Promise.reject(new Error("the disk is full"));
    },
    kill: () => {
      killed += 1;
      if (stuck) dead.reject(new Error("it was killed"));
    },
    setNice: () => true,
    exited,
    residentBytes: () => 0,
  });
  const spawn = async () => engine();
  const optimizer = new GraphOptimizer({ spawn, makeRoom: async () => true, deadlineMs: 20_000 });
  const failing = { digest: "sha256:failing", bytes: 2 * MIB, spec };
  optimizer.loaded(failing);
  await until(() => optimizer.counts.failed === 1);
  optimizer.loaded(failing);
  stuck = true;
  optimizer.loaded({ ...failing, digest: "sha256:going" });
  await until(() => tries === 2);
  const before = killed;
  optimizer.forget("sha256:going");
  expect(killed).toBe(before + 1);
  await optimizer.close();
  expect((await readdir(spec.folder)).sort()).toEqual(["model.onnx", "module.json"]);
});
