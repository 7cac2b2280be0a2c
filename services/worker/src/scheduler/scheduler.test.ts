import type { Batching, Tensor } from "@modulehub/core";
import { expect, test } from "vitest";
import { EngineDied } from "../engines/engine.ts";
import type { EngineLease } from "../engines/pool.ts";
import { Quarantine } from "../engines/quarantine.ts";
import { Admission } from "./admission.ts";
import { Scheduler, type Target } from "./scheduler.ts";

/*
 * The sessions here are doubles: deaths at chosen moments can't be had from a real engine. Values stand for
 * items; a session doubles them, and can be told to die of some.
 */
const proven: Batching = { inputs: { x: 0 }, outputs: { y: 0 }, pad: {} };
const target = (batching: Batching): Target => ({
  module: {
    digest: "sha256:m",
    folder: "/nowhere",
    bytes: 1,
    compileTask: () => ({ graph: "", compiled: null, inputs: [], appended: [], feeds: [], fetches: [] }),
  },
  signature: "default",
  batching,
});
const value = (x: number): Map<string, Tensor> =>
  new Map([["x", { dtype: "float32", shape: [1], data: Float32Array.of(x) }]]);
const crash = () => new EngineDied({ kind: "crash", code: null, signal: "SIGABRT", stderr: "" }, "run");

function setup(die: (values: number[]) => Error | undefined = () => undefined) {
  const batches: number[][] = [];
  let release: () => void = () => undefined;
  let held: Promise<void> | undefined;
  const sessions = {
    use: async (): Promise<EngineLease> => ({
      run: async (feeds) => {
        const x = feeds.get("x")!;
        const values = Array.from(x.data as Float32Array);
        batches.push(values);
        await held;
        const death = die(values);
        if (death) throw death;
        return new Map([
          ["y", { dtype: "float32", shape: [values.length], data: Float32Array.from(values, (v) => 2 * v) }],
        ]);
      },
      release: () => undefined,
    }),
  };
  const quarantine = new Quarantine();
  const admission = new Admission({ moduleMs: 10_000, totalMs: 20_000 });
  const scheduler = new Scheduler({ sessions, admission, quarantine, observer: { batch: () => undefined } });
  const submit = (
    values: number[],
    options: { caller?: string; signal?: AbortSignal; batching?: Batching; deadline?: number } = {},
  ) =>
    scheduler
      .submit(target(options.batching ?? proven), values.map(value), {
        caller: options.caller ?? "",
        signal: options.signal ?? new AbortController().signal,
        deadline: options.deadline ?? performance.now() + 60_000,
      })
      .then((fetches) => fetches.map((fetch) => fetch.get("y")!.data[0]));
  const hold = () => {
    held = new Promise((resolve) => {
      release = () => {
        held = undefined;
        resolve();
      };
    });
    return () => release();
  };
  return { scheduler, submit, batches, hold, admission };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

test("with nothing queued a request runs at once; what comes meanwhile leaves as one batch", async () => {
  const { submit, batches, hold } = setup();
  const release = hold();
  const first = submit([1]);
  await settle();
  const others = [submit([2]), submit([3, 4]), submit([5])];
  await settle();
  expect(batches).toEqual([[1]]);
  release();
  expect(await Promise.all([first, ...others])).toEqual([[2], [4], [6, 8], [10]]);
  expect(batches).toEqual([[1], [2, 3, 4, 5]]);
});

test("what isn't proven to batch runs alone", async () => {
  const { submit, batches, hold } = setup();
  const release = hold();
  const answers = [
    submit([1], { batching: "none" }),
    submit([2], { batching: "none" }),
    submit([3], { batching: "none" }),
  ];
  release();
  expect(await Promise.all(answers)).toEqual([[2], [4], [6]]);
  expect(batches).toEqual([[1], [2], [3]]);
});

test("when a batch crashes the engine its items run again one by one, and only the culprit fails", async () => {
  const { submit, batches, hold } = setup((values) => (values.includes(13) ? crash() : undefined));
  const release = hold();
  const first = submit([1]);
  const others = [submit([2]), submit([13]), submit([3])];
  release();
  expect(await first).toEqual([2]);
  const outcomes = await Promise.allSettled(others);
  expect(outcomes).toMatchObject([
    { status: "fulfilled", value: [4] },
    { status: "rejected", reason: { code: "module-crashed", status: 500 } },
    { status: "fulfilled", value: [6] },
  ]);
  expect(batches.slice(1)).toEqual([[2, 13, 3], [2], [13], [13], [3]]);
});

test("an item that overstays gets 504 and is not run again", async () => {
  const { submit, batches } = setup(() => new EngineDied({ kind: "timeout" }, "run"));
  await expect(submit([1])).rejects.toMatchObject({ code: "deadline-exceeded", status: 504 });
  expect(batches).toEqual([[1]]);
});

test("an engine that is killed from outside costs nobody an answer", async () => {
  let deaths = 0;
  const { submit } = setup(() => (deaths++ === 0 ? crash() : undefined));
  expect(await submit([1])).toEqual([2]);
});

test("a request is atomic: one bad item fails it, and its others are not run", async () => {
  const { submit, batches } = setup((values) => (values.includes(13) ? crash() : undefined));
  await expect(submit([13, 1, 2], { batching: proven })).rejects.toMatchObject({ code: "module-crashed" });
  await settle();
  expect(batches.flat().filter((v) => v === 13).length).toBeLessThanOrEqual(3);
});

test("a client that disconnects is forgotten in the queue", async () => {
  const { submit, batches, hold, scheduler, admission } = setup();
  const release = hold();
  const first = submit([1]);
  const gone = new AbortController();
  const second = submit([2], { signal: gone.signal });
  gone.abort(new Error("gone"));
  await expect(second).rejects.toThrow("gone");
  release();
  expect(await first).toEqual([2]);
  await settle();
  expect(batches).toEqual([[1]]);
  expect(scheduler.queued).toBe(0);
  expect(admission.totalMs).toBe(0);
});

test("work that can't begin in time isn't begun", async () => {
  const { submit, batches, hold } = setup();
  const release = hold();
  const first = submit([1]);
  const late = submit([2], { deadline: performance.now() + 1 });
  await settle();
  release();
  expect(await first).toEqual([2]);
  await expect(late).rejects.toMatchObject({ code: "deadline-exceeded" });
  expect(batches).toEqual([[1]]);
});

test("a caller whose inputs keep crashing a module is held back; others are answered", async () => {
  const { submit } = setup((values) => (values.includes(13) ? crash() : undefined));
  for (let times = 0; times < 3; times++)
    await expect(submit([13], { caller: "eve" })).rejects.toMatchObject({ code: "module-crashed" });
  await expect(submit([1], { caller: "eve" })).rejects.toMatchObject({
    code: "module-quarantined",
    status: 503,
  });
  expect(await submit([1], { caller: "bob" })).toEqual([2]);
});
