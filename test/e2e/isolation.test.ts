import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bombAtRun, endless, goodModule, manifest } from "../fixtures/hostile-modules.ts";
import { bool, graph, int64, model, node, value } from "../fixtures/raw-graph.ts";
import { call, cleanUp, type RunningHub, residentBytes, startHub } from "./hub.ts";
import { publishFiles } from "./publish-files.ts";

/**
 * What one module does, no other notices: while module A never ends, allocates terabytes and has its
 * engine killed under it, every request to module B is answered rightly, and the memory comes back.
 */

let hub: RunningHub;
beforeAll(async () => {
  hub = await startHub({ examples: false });
  expect(await publishFiles(hub, "acme/good", goodModule())).toMatchObject({ state: "published" });
  // Harmless with its example, so that inspection lets it in; hostile with what callers send.
  expect(await publishFiles(hub, "acme/tempted", tempted())).toMatchObject({ state: "published" });
});
afterAll(cleanUp);

/** y = x, after as many rounds as x[0] says, and with as many megabytes on the way as x[1] says. */
function tempted(): Record<string, Uint8Array> {
  return {
    "module.json": manifest({ examples: [{ inputs: { x: [[1, 1, 0, 0]] } }] }),
    "model.onnx": model({
      nodes: [
        node("Slice", ["x", "zero", "one", "axis"], ["first"]),
        node("Slice", ["x", "one", "two", "axis"], ["second"]),
        node("ReduceMax", ["first"], ["rounds_f"], { keepdims: 0 }),
        node("Cast", ["rounds_f"], ["rounds"], { to: 7 }),
        node("ReduceMax", ["second"], ["size_f"], { keepdims: 0 }),
        node("Cast", ["size_f"], ["size"], { to: 7 }),
        node("Reshape", ["size", "one"], ["size1"]),
        node("Mul", ["size1", "megabyte"], ["elements"]),
        node("ConstantOfShape", ["elements"], ["big"]),
        node("ReduceSum", ["big"], ["sum"], { keepdims: 0 }),
        node("Add", ["x", "sum"], ["start"]),
        node("Loop", ["rounds", "", "start"], ["y"], {
          body: graph({
            nodes: [node("Identity", ["keep"], ["keep_out"]), node("Identity", ["v"], ["v_out"])],
            inputs: [value("i", "int64", []), value("keep", "bool", []), value("v", "float32", ["batch", 4])],
            outputs: [value("keep_out", "bool", []), value("v_out", "float32", ["batch", 4])],
          }),
        }),
      ],
      inputs: [value("x", "float32", ["batch", 4])],
      outputs: [value("y", "float32", ["batch", 4])],
      initializers: [
        ["zero", int64([0n])],
        ["one", int64([1n])],
        ["two", int64([2n])],
        ["axis", int64([1n])],
        ["megabyte", int64([262_144n])],
        ["unused", bool(true)],
      ],
    }),
  };
}

const ask = async (module: string, x: number[]): Promise<{ status: number; body: unknown }> => {
  const answer = await call(hub, "POST", `/v1/modules/${module}/infer`, { inputs: { x: [x] } });
  return { status: answer.status, body: await answer.json() };
};

/** Processes below npm start, with their command lines (Linux). */
function descendants(root: number): { pid: number; command: string }[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch (error) {
      // The process ended between the listing and the reading.
      if (
        (error as NodeJS.ErrnoException).code !== "ENOENT" &&
        (error as NodeJS.ErrnoException).code !== "ESRCH"
      )
        throw error;
    }
  }
  const below = (pid: number): number[] =>
    [...parents].flatMap(([child, parent]) => (parent === pid ? [child, ...below(child)] : []));
  return below(root).flatMap((pid) => {
    try {
      return [{ pid, command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ") }];
    } catch {
      return [];
    }
  });
}

const totalMemory = (): number =>
  hub.pids.flatMap(descendants).reduce((sum, { pid }) => sum + (residentBytes(pid) ?? 0), 0);

test("1,000 requests to B succeed while A loops, allocates and dies, and memory comes back", async () => {
  expect(process.platform, "this test reads /proc").toBe("linux");
  expect((await ask("acme/tempted", [2, 1, 5, 6])).body).toMatchObject({
    outputs: { y: { data: [2, 1, 5, 6] } },
  });
  expect((await ask("acme/good", [1, 2, 3, 4])).status).toBe(200);
  await sleep(2000);
  const before = totalMemory();

  let done = false;
  const statuses: number[] = [];
  const torment = (async () => {
    const inputs = [
      [1e18, 1, 0, 0],
      [1, 4e6, 0, 0],
      [1e18, 900, 0, 0],
    ];
    for (let round = 0; !done; round++) {
      const { status } = await ask("acme/tempted", inputs[round % inputs.length]!);
      statuses.push(status);
      // A refusal at once would make this loop a flood.
      await sleep(100);
    }
  })();
  const assassin = (async () => {
    while (!done) {
      await sleep(1500);
      // The engine of module A is the one that is busy: B's answers take microseconds.
      const engines = hub.pids.flatMap(descendants).filter(({ command }) => /engine-child/.test(command));
      const busiest = engines
        .map(({ pid }) => ({ pid, ticks: cpuTicks(pid) }))
        .sort((a, b) => b.ticks - a.ticks)[0];
      if (busiest && busiest.ticks > 100) process.kill(busiest.pid, "SIGSEGV");
    }
  })();

  const failures: unknown[] = [];
  const started = Date.now();
  for (let sent = 0; sent < 1000 || Date.now() - started < 30_000; sent++) {
    const x = [-sent, sent, 0.5, -0.5];
    const { status, body } = await ask("acme/good", x);
    const expected = x.map((element) => Math.max(0, element));
    const data = (body as { outputs?: { y: { data: number[] } } }).outputs?.y.data;
    if (status !== 200 || JSON.stringify(data) !== JSON.stringify(expected)) failures.push({ status, body });
    if (sent >= 1000) await sleep(50);
  }
  done = true;
  await Promise.all([torment, assassin]);
  expect(failures).toEqual([]);
  // A's own requests were each answered with an error of their own, never left hanging.
  expect(statuses.length).toBeGreaterThan(0);
  expect(
    statuses.every((status) => status >= 400),
    String(statuses),
  ).toBe(true);

  await sleep(5000);
  const after = totalMemory();
  expect(after / before, `${before} → ${after} bytes`).toBeLessThanOrEqual(1.1);
  expect((await ask("acme/good", [1, -1, 1, -1])).body).toMatchObject({
    outputs: { y: { data: [1, 0, 1, 0] } },
  });
});

function cpuTicks(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}

test("versions that are yanked or deleted while they are loaded: exact ones go on, deleted ones stop at once", async () => {
  for (const x of [1, 2]) {
    const files = {
      ...goodModule(),
      "module.json": manifest({ examples: [{ inputs: { x: [[x, 0, 0, 0]] } }] }),
    };
    expect(await publishFiles(hub, "acme/going", files)).toMatchObject({ state: "published", version: x });
  }
  const infer = async (path: string) => {
    const answer = await call(hub, "POST", `/v1/modules/acme/going${path}/infer`, {
      inputs: { x: [[-1, 2, 3, 4]] },
    });
    const { version, code } = (await answer.json()) as { version?: number; code?: string };
    return { status: answer.status, version, code };
  };
  const change = async (method: string, path: string, body?: unknown) =>
    (await call(hub, method, `/v1/modules/acme/going/versions/${path}`, body)).status;
  expect(await infer("")).toMatchObject({ status: 200, version: 2 });
  expect(await infer("/versions/1")).toMatchObject({ status: 200, version: 1 });

  let going = true;
  const others: number[] = [];
  const newest: (number | undefined)[] = [];
  const load = [
    (async () => {
      while (going) others.push((await ask("acme/good", [1, 2, 3, 4])).status);
    })(),
    (async () => {
      while (going) newest.push((await infer("")).version);
    })(),
  ];
  await sleep(300);
  expect(await change("POST", "2/yank", { reason: "Wrong." })).toBe(200);
  expect(await infer("")).toMatchObject({ status: 200, version: 1 });
  expect(await infer("/versions/2")).toMatchObject({ status: 200, version: 2 });
  await sleep(300);
  expect(await change("DELETE", "2?reason=Leaked.")).toBe(204);
  for (let times = 0; times < 20; times++)
    expect(await infer("/versions/2")).toMatchObject({ status: 410, code: "gone" });
  expect(await infer("")).toMatchObject({ status: 200, version: 1 });
  going = false;
  await Promise.all(load);
  // None failed, and after the yank none ran what was yanked.
  expect(newest.every((version) => version === 1 || version === 2)).toBe(true);
  expect(newest.indexOf(1)).toBeGreaterThan(0);
  expect(newest.slice(newest.indexOf(1)).includes(2)).toBe(false);
  expect(new Set(others)).toEqual(new Set([200]));
});

test("inspecting endless and boundless modules leaves B undisturbed", async () => {
  const hostile = [endless(), bombAtRun()].map(async (bytes, index) =>
    publishFiles(hub, `acme/hostile-${index}`, { "module.json": manifest(), "model.onnx": bytes }),
  );
  let pending = true;
  const ended = Promise.all(hostile).finally(() => {
    pending = false;
  });
  let sent = 0;
  while (pending) {
    expect((await ask("acme/good", [sent, 0, 0, 0])).status).toBe(200);
    sent += 1;
    await sleep(20);
  }
  for (const result of await ended) expect(result.state).toBe("rejected");
  expect(sent).toBeGreaterThan(10);
});
