import { afterEach, expect, test } from "vitest";
import { FakeEngines, schedulerOn, settle } from "../testing/fake-engines.ts";

/* Which engine runs what, and when, with doubles whose runs end when the test says so. */
const engines: FakeEngines[] = [];
afterEach(() => {
  for (const each of engines.splice(0)) each.finishAll();
});

function setup(options: { narrow?: number; cores?: number; runMs?: (digest: string) => number } = {}) {
  const fake = new FakeEngines({ narrow: options.narrow ?? 2, runMs: options.runMs ?? (() => 5) });
  engines.push(fake);
  const { submit, scheduler } = schedulerOn(fake, { cores: options.cores ?? 2 });
  const quietly: typeof submit = (...asked) => {
    const answer = submit(...asked);
    answer.catch(() => undefined);
    return answer;
  };
  return { fake, submit: quietly, scheduler };
}

const range = (count: number) => Array.from({ length: count }, (_, index) => index);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Lets the module be opened, with one answer. */
async function warm({ submit }: ReturnType<typeof setup>, module?: string): Promise<void> {
  await submit([0], module ? { module } : {});
  // Longer than an end tells of a crowd.
  await sleep(25);
}

/** Starts the two extra engines, by more work than one may keep waiting. */
async function loaded(parts: ReturnType<typeof setup>, module?: string): Promise<void> {
  await warm(parts, module);
  await parts.submit(range(20), { batching: "none", ...(module && { module }) });
  await sleep(25);
  expect(parts.fake.grown).toBe(2);
  parts.fake.runs.length = 0;
}

test("alone a request runs on every core, and a few at a time don't bring more engines", async () => {
  const parts = setup();
  const { fake, submit } = parts;
  for (let times = 0; times < 5; times++) await submit([times]);
  await Promise.all([submit([1]), submit([2])]);
  expect(fake.runs.every(({ mode }) => mode === "wide")).toBe(true);
  expect(fake.grown).toBe(0);
});

test("under load each core has a run of its own, side by side", async () => {
  const parts = setup();
  const { fake, submit } = parts;
  await loaded(parts);
  fake.hold();
  void submit(range(60));
  await settle();
  expect(fake.runs.map(({ mode }) => mode)).toEqual(["narrow", "narrow"]);
});

test("what waits is shared out to the cores that are free", async () => {
  const parts = setup();
  const { fake, submit } = parts;
  await loaded(parts);
  fake.hold();
  // A batch holds 16: one of 16 and one of 8 would leave a core without any for half of the time.
  void submit(range(24));
  await settle();
  expect(fake.runs.map(({ values }) => values.length)).toEqual([12, 12]);
});

/** A module whose runs of 100 ms hold both cores, beside one whose runs take 5 on all of them. */
async function longBesideShort() {
  const parts = setup({ runMs: (digest) => (digest === "long" ? 100 : 5) });
  const { fake, submit } = parts;
  await loaded(parts, "long");
  await warm(parts, "short");
  fake.runs.length = 0;
  fake.holdRunsOf("long");
  void submit([1, 2], { module: "long", batching: "none" });
  await settle();
  expect(fake.runs.map(({ mode }) => mode)).toEqual(["narrow", "narrow"]);
  const passing = () => fake.runs.filter(({ digest }) => digest === "short");
  return {
    fake,
    passing,
    ask: (values: number[], caller?: string) =>
      submit(values, { module: "short", ...(caller && { caller }) }),
  };
}

test("short work passes the long runs that hold all cores, in the engine that has them all", async () => {
  const { passing, ask } = await longBesideShort();
  expect(await ask([7])).toEqual([14]);
  expect(passing()).toMatchObject([{ mode: "wide", values: [7] }]);
});

test("many short items of a request pass together, and count as the few runs that they are", async () => {
  const { passing, ask } = await longBesideShort();
  // Four a run on both cores: 16 runs, 160 ms of one core. One by one they would be more than is ever saved up.
  expect(await ask(range(64))).toEqual(range(64).map((value) => 2 * value));
  expect(passing().map(({ values }) => values.length)).toEqual(Array(16).fill(4));
});

test("where short work is much, it waits for its turn among the rest", async () => {
  const { fake, passing, ask } = await longBesideShort();
  // Each takes 10 ms of one core, together more than the 500 that may be saved up.
  const answers = range(80).map((value) => ask([value], `caller ${value}`));
  await sleep(100);
  const passed = passing().length;
  fake.finishAll();
  expect(await Promise.all(answers)).toEqual(range(80).map((value) => [2 * value]));
  expect(passed).toBe(1);
});

test("when the load has gone a request runs on every core again", async () => {
  const parts = setup();
  await loaded(parts);
  await parts.submit([1]);
  expect(parts.fake.runs.map(({ mode }) => mode)).toEqual(["wide"]);
});

test("a caller with a thousand items delays another's single request by about one batch", async () => {
  const parts = setup({ narrow: 0 });
  const { fake, submit } = parts;
  await warm(parts);
  fake.hold();
  void submit(range(1000), { caller: "bulk", batching: "none" });
  await settle();
  const single = submit([7777], { caller: "other", batching: "none" });
  fake.finishAll();
  await single;
  expect(fake.batches.findIndex(([value]) => value === 7777)).toBeLessThanOrEqual(3);
});

test("a module that keeps every core is put behind the others after a quantum", async () => {
  const parts = setup();
  const { fake, submit } = parts;
  await warm(parts, "endless");
  await warm(parts, "good");
  fake.hold();
  void submit([666], { module: "endless" });
  await settle();
  const answer = submit([1], { module: "good" });
  await expect
    .poll(() => fake.runs.at(-1), { timeout: 10_000 })
    .toMatchObject({ digest: "good", values: [1] });
  expect(fake.runs.at(-2)).toMatchObject({ digest: "endless", lowered: "others" });
  fake.finishAll();
  expect(await answer).toEqual([2]);
});

test("background work runs one batch at a time while people ask, behind everything else, and waits while anything else waits", async () => {
  const parts = setup();
  const { fake, submit } = parts;
  await loaded(parts);
  fake.hold();
  const background = submit(range(60), { caller: "job", priority: "background" });
  await settle();
  expect(fake.runs).toMatchObject([{ mode: "narrow", lowered: "background", values: range(16) }]);
  const foreground = submit([7777]);
  await settle();
  // It took no core from others: with nothing else to do a request has all of them.
  expect(fake.runs[1]).toMatchObject({ mode: "wide", lowered: undefined, values: [7777] });
  const waits = submit([8888]);
  await settle();
  expect(fake.runs).toHaveLength(2);
  fake.finishAll();
  expect(await Promise.all([foreground, waits])).toEqual([[2 * 7777], [2 * 8888]]);
  expect(await background).toEqual(range(60).map((value) => 2 * value));
});

test("once nobody has asked for a second, background work has a batch on every core, until somebody asks", async () => {
  const parts = setup();
  const { fake, submit } = parts;
  await loaded(parts);
  await sleep(1_050);
  fake.hold();
  const background = submit(range(60), { caller: "job", priority: "background" });
  await settle();
  expect(fake.runs).toMatchObject([
    { mode: "narrow", lowered: "background", values: range(16) },
    { mode: "narrow", lowered: "background", values: range(32).slice(16) },
  ]);
  const foreground = submit([7777]);
  await settle();
  expect(fake.runs[2]).toMatchObject({ mode: "wide", lowered: undefined, values: [7777] });
  fake.finishAll();
  expect(await foreground).toEqual([2 * 7777]);
  expect(await background).toEqual(range(60).map((value) => 2 * value));
});

test("background work without an extra engine takes the only one that the module may have", async () => {
  const parts = setup({ narrow: 0 });
  await warm(parts);
  parts.fake.runs.length = 0;
  expect(await parts.submit([3], { priority: "background" })).toEqual([6]);
  expect(parts.fake.runs).toMatchObject([{ mode: "wide", lowered: "background" }]);
});

test("background work has an extra engine started for it, so that the first stays free for who asks", async () => {
  const parts = setup();
  await warm(parts);
  expect(await parts.submit([3], { priority: "background" })).toEqual([6]);
  expect(parts.fake.runs.at(-1)).toMatchObject({ mode: "narrow", lowered: "background" });
});
