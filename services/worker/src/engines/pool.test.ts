import { openModule } from "@modulehub/runtime";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { int64, moduleFolder, rows3, testEngine } from "../testing/engines.ts";
import { schedulerOn } from "../testing/fake-engines.ts";
import { affine, allocating } from "../testing/graphs.ts";
import { plainSignature, temporaryFolder } from "../testing/modules.ts";
import { type Engine, EngineDied, type EngineExit, type SessionSpec } from "./engine.ts";
import { type EngineLease, EnginePool, type PooledModule, type PoolOptions } from "./pool.ts";
import { Quarantine } from "./quarantine.ts";

let place: Awaited<ReturnType<typeof temporaryFolder>>;
const pools: EnginePool[] = [];
beforeAll(async () => {
  place = await temporaryFolder();
});
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
});
afterAll(async () => {
  await place.remove();
});

const MIB = 2 ** 20;
let spawned = 0;

function testPool(options: Partial<PoolOptions> = {}): EnginePool {
  const pool = new EnginePool({
    spawn: () => {
      spawned += 1;
      return testEngine();
    },
    budgetBytes: 2048 * MIB,
    engineBytes: 1024 * MIB,
    cores: 1,
    executionProviders: Promise.resolve(["cpu"]),
    loadMs: 10_000,
    runMs: 10_000,
    memoryWaitMs: 500,
    extraIdleMs: 60_000,
    watchMs: 10_000,
    ...options,
  });
  pools.push(pool);
  return pool;
}

async function module(name: string, bytes = 1000): Promise<PooledModule> {
  const row = { dtype: "float32" as const, shape: ["batch", 3] };
  const folder = await moduleFolder(place.folder, name, affine(), plainSignature(row, row));
  const { compileTask } = await openModule(folder);
  return { digest: `sha256:${name}`, folder, bytes, compileTask };
}

/** An engine that is held, as the scheduler holds those of whoever waits. */
async function use(pool: EnginePool, target: PooledModule): Promise<EngineLease> {
  const letGo = pool.hold(target.digest);
  try {
    for (;;) {
      await pool.open(target, "default");
      const lease = pool.claim(target.digest, "default", "wide");
      if (lease) return lease;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } finally {
    letGo();
  }
}

async function runOnce(pool: EnginePool, target: PooledModule): Promise<unknown> {
  const lease = await use(pool, target);
  try {
    return (await lease.run(new Map([["x", rows3(1, 2, 3)]]))).get("y");
  } finally {
    lease.release();
  }
}

test("everyone who waits for a load shares it, and later runs find it open", async () => {
  const pool = testPool();
  const target = await module("shared");
  const answers = await Promise.all(Array.from({ length: 8 }, () => runOnce(pool, target)));
  for (const answer of answers) expect(answer).toEqual(rows3(3, 5, 7));
  await runOnce(pool, target);
  expect(pool.counts.loads).toBe(1);
  expect(pool.loaded().length).toBe(1);
});

test("modules never share an engine", async () => {
  const pool = testPool();
  await Promise.all([runOnce(pool, await module("a")), runOnce(pool, await module("b"))]);
  expect(pool.loaded().length).toBe(2);
});

test("the module that was used longest ago makes room, and its memory is given back", async () => {
  // Two small engines and a spare one fit; a third module doesn't.
  const pool = testPool({ budgetBytes: 340 * MIB });
  const [a, b, c] = [await module("a"), await module("b"), await module("c")];
  await runOnce(pool, a);
  await runOnce(pool, b);
  await runOnce(pool, a);
  const before = pool.residentBytes();
  await runOnce(pool, { ...c, bytes: 130 * MIB });
  expect(pool.evictions).toBeGreaterThan(0);
  const loads = pool.counts.loads;
  expect(pool.residentBytes()).toBeLessThan(before + 60 * MIB);
  await runOnce(pool, b);
  expect(pool.counts.loads).toBe(loads + 1);
});

test("a module that could never fit is refused at once", async () => {
  const pool = testPool({ budgetBytes: 300 * MIB });
  const large = await module("large", 500 * MIB);
  await expect(runOnce(pool, large)).rejects.toMatchObject({ code: "out-of-memory", status: 503 });
  expect(await runOnce(pool, await module("small"))).toEqual(rows3(3, 5, 7));
});

test("while every engine is at work a load waits, then is refused, and succeeds when one has come to rest", async () => {
  const pool = testPool({ budgetBytes: 290 * MIB });
  const lease = await use(pool, await module("busy"));
  const next = { ...(await module("next")), bytes: 120 * MIB };
  await expect(runOnce(pool, next)).rejects.toMatchObject({ code: "out-of-memory", retryAfter: 5 });
  const waiting = runOnce(pool, next);
  lease.release();
  expect(await waiting).toEqual(rows3(3, 5, 7));
});

test("an engine that holds more than it may is ended", async () => {
  const pool = testPool({ engineBytes: 50 * MIB, watchMs: 20 });
  const signatures = plainSignature({ dtype: "int64", shape: [1] }, { dtype: "float32", shape: ["n"] });
  const folder = await moduleFolder(place.folder, "growing", allocating(), signatures);
  const { compileTask } = await openModule(folder);
  const lease = await use(pool, { digest: "sha256:growing", folder, bytes: 1000, compileTask });
  // 100 million numbers of 4 bytes.
  await expect(lease.run(new Map([["x", int64(1e8)]]))).rejects.toMatchObject({ exit: { kind: "memory" } });
  expect(pool.counts.memoryKills).toBe(1);
  lease.release();
});

/** An engine that never was: what it holds is told by the test. */
function pretended(bytes: () => number) {
  const exited = Promise.withResolvers<EngineExit>();
  const engine: Engine = {
    load: async () => ({ feeds: [], fetches: [], executionProviders: [], optimized: false, milliseconds: 0 }),
    run: async () => new Map(),
    optimize: async () => undefined,
    kill: (kind = "killed") => exited.resolve({ kind }),
    exited: exited.promise,
    setNice: () => true,
    residentBytes: bytes,
  };
  return engine;
}

test("where an engine grows beyond the budget, the spare one goes before any that is used", async () => {
  let held = 10 * MIB;
  const engines: Engine[] = [];
  const spawn = async () => {
    const engine = pretended(engines.length === 0 ? () => held : () => 60 * MIB);
    engines.push(engine);
    return engine;
  };
  const pool = testPool({ spawn, budgetBytes: 200 * MIB, watchMs: 20 });
  const lease = await use(pool, await module("grows"));
  await expect.poll(() => engines.length).toBe(2);
  held = 150 * MIB;
  expect(await engines[1]!.exited).toEqual({ kind: "killed" });
  expect(await lease.run(new Map())).toEqual(new Map());
  expect(pool.loaded().length).toBe(1);
  expect(pool.counts.memoryKills).toBe(0);
  lease.release();
});

test("where engines at work hold too much together, the largest goes, and its module is not to blame", async () => {
  let grown = 0;
  // A load that grows, within what one engine may hold, until it is ended for the sake of the budget.
  const spawn = async () => {
    let held = 10 * MIB;
    const engine = pretended(() => held);
    return {
      ...engine,
      load: async (spec: SessionSpec, deadlineMs: number) => {
        const info = { ...(await engine.load(spec, deadlineMs)), optimized: true };
        const grows = spec.folder === "/nowhere";
        held = (grows ? 120 : 90) * MIB;
        if (!grows) return info;
        grown += 1;
        throw new EngineDied(await engine.exited, "load");
      },
    };
  };
  const pool = testPool({ spawn, budgetBytes: 200 * MIB, watchMs: 20 });
  const lease = await use(pool, await module("at-work"));
  const quarantine = new Quarantine();
  const { submit } = schedulerOn(pool, { quarantine });
  for (let times = 0; times < 3; times++)
    await expect(submit([1], { batching: "none" })).rejects.toMatchObject({
      code: "worker-unavailable",
      retryAfter: 1,
    });
  // Each was tried again once.
  expect(grown).toBe(6);
  expect(quarantine.held()).toEqual([]);
  expect(pool.counts.memoryKills).toBe(0);
  expect(pool.evictions).toBe(6);
  lease.release();
});

test("a module that had to go and came back is optimised, though another has to make room for it", async () => {
  const optimized: string[] = [];
  const spawn = async () => ({
    ...pretended(() => 60 * MIB),
    optimize: async ({ folder }: { folder: string }) => {
      optimized.push(folder);
    },
  });
  // Two modules fit; what is being optimised takes 70 MiB.
  const pool = testPool({ spawn, budgetBytes: 170 * MIB });
  const names = ["comes-back", "second", "third"];
  const [first, second, third] = await Promise.all(names.map((name) => module(name, 2 * MIB)));
  for (const each of [first!, second!, third!, first!]) await runOnce(pool, each);
  expect(pool.evictions).toBe(2);
  await expect.poll(() => optimized[0], { timeout: 5000 }).toBe(first!.folder);
  expect(pool.evictions).toBeGreaterThan(2);
});

test("what is being optimised ends where a load needs its memory", async () => {
  const optimizing: Engine[] = [];
  const spawn = async () => {
    const engine = pretended(() => 60 * MIB);
    return {
      ...engine,
      optimize: async () => {
        optimizing.push(engine);
        await engine.exited;
        throw new Error("it was ended");
      },
    };
  };
  const pool = testPool({ spawn, budgetBytes: 250 * MIB });
  const lease = await use(pool, await module("is-optimised", 2 * MIB));
  await expect.poll(() => optimizing.length, { timeout: 5000 }).toBe(1);
  await runOnce(pool, await module("comes", 80 * MIB));
  expect(await optimizing[0]!.exited).toEqual({ kind: "killed" });
  expect(pool.optimizations).toEqual({ written: 0, failed: 0 });
  expect(pool.evictions).toBe(0);
  lease.release();
});

test("closing ends every engine, the spare one too", async () => {
  const pool = testPool();
  await runOnce(pool, await module("a"));
  await pool.close();
  expect(pool.residentBytes()).toBe(0);
  expect(spawned).toBeGreaterThan(1);
});
