import { afterEach, expect, test } from "vitest";
import { EngineDied } from "../engines/engine.ts";
import { crash, FakeEngines, schedulerOn, settle } from "../testing/fake-engines.ts";

/* Deaths at chosen moments can't be had from real engines, so these are doubles that double their input. */
const engines: FakeEngines[] = [];
afterEach(() => {
  for (const each of engines.splice(0)) each.finishAll();
});

function setup(die: (values: number[]) => Error | undefined = () => undefined) {
  const fake = new FakeEngines({ die });
  engines.push(fake);
  return { fake, ...schedulerOn(fake) };
}

test("with nothing queued a request runs at once; what comes meanwhile leaves as one batch", async () => {
  const { submit, fake } = setup();
  fake.hold();
  const first = submit([1]);
  await settle();
  const others = [submit([2]), submit([3, 4]), submit([5])];
  await settle();
  expect(fake.batches).toEqual([[1]]);
  fake.finishAll();
  expect(await Promise.all([first, ...others])).toEqual([[2], [4], [6, 8], [10]]);
  expect(fake.batches).toEqual([[1], [2, 3, 4, 5]]);
});

test("what isn't proven to batch runs alone", async () => {
  const { submit, fake } = setup();
  const answers = [1, 2, 3].map((value) => submit([value], { batching: "none" }));
  expect(await Promise.all(answers)).toEqual([[2], [4], [6]]);
  expect(fake.batches).toEqual([[1], [2], [3]]);
});

test("when a batch crashes the engine its items run again one by one, and only the culprit fails", async () => {
  const { submit, fake } = setup((values) => (values.includes(13) ? crash() : undefined));
  fake.hold();
  const first = submit([1]);
  await settle();
  const others = [submit([2]), submit([13]), submit([3])];
  fake.finishAll();
  expect(await first).toEqual([2]);
  expect(await Promise.allSettled(others)).toMatchObject([
    { status: "fulfilled", value: [4] },
    { status: "rejected", reason: { code: "module-crashed", status: 500 } },
    { status: "fulfilled", value: [6] },
  ]);
  expect(fake.batches.slice(0, 2)).toEqual([[1], [2, 13, 3]]);
  // Once more each, and the one that died alone once again: its engine may have been killed from outside.
  expect(fake.batches.slice(2).sort()).toEqual([[13], [13], [2], [3]]);
});

test("an item that overstays gets 504 and is not run again", async () => {
  const { submit, fake } = setup(() => new EngineDied({ kind: "timeout" }, "run"));
  await expect(submit([1])).rejects.toMatchObject({ code: "deadline-exceeded", status: 504 });
  expect(fake.batches).toEqual([[1]]);
});

test("an engine that is killed from outside costs nobody an answer", async () => {
  let deaths = 0;
  const { submit } = setup(() => (deaths++ === 0 ? crash() : undefined));
  expect(await submit([1])).toEqual([2]);
});

test("a request is atomic: one bad item fails it, and its others are not run", async () => {
  const { submit, fake } = setup((values) => (values.includes(13) ? crash() : undefined));
  await expect(submit([13, 1, 2], { batching: "none" })).rejects.toMatchObject({ code: "module-crashed" });
  await settle();
  expect(fake.batches).toEqual([[13], [13]]);
});

test("a client that disconnects is forgotten in the queue", async () => {
  const { submit, fake, scheduler } = setup();
  fake.hold();
  const first = submit([1]);
  await settle();
  const gone = new AbortController();
  const second = submit([2], { signal: gone.signal });
  gone.abort(new Error("gone"));
  await expect(second).rejects.toThrow("gone");
  fake.finishAll();
  expect(await first).toEqual([2]);
  await settle();
  expect(fake.batches).toEqual([[1]]);
  expect(scheduler.queued).toBe(0);
  expect(scheduler.queuedMs).toBe(0);
  expect(fake.holds.size).toBe(0);
});

test("a client that disconnects from a batch under way costs its mates nothing", async () => {
  const { submit, fake, scheduler } = setup();
  fake.hold();
  const first = submit([1]);
  await settle();
  const gone = new AbortController();
  const leaving = submit([2], { signal: gone.signal });
  const staying = submit([3]);
  leaving.catch(() => undefined);
  fake.finishAll();
  fake.hold();
  expect(await first).toEqual([2]);
  await settle();
  expect(fake.batches).toEqual([[1], [2, 3]]);
  gone.abort(new Error("gone"));
  await expect(leaving).rejects.toThrow("gone");
  fake.finishAll();
  expect(await staying).toEqual([6]);
  expect(fake.batches).toEqual([[1], [2, 3]]);
  expect(scheduler.queued).toBe(0);
});

test("of 32 requests one crashes the engine: it alone fails, and the 31 are answered", async () => {
  const { submit } = setup((values) => (values.includes(13) ? crash() : undefined));
  const values = Array.from({ length: 32 }, (_, index) => index);
  const answers = await Promise.allSettled(values.map((value) => submit([value])));
  for (const [value, answer] of answers.entries())
    if (value === 13)
      expect(answer).toMatchObject({ status: "rejected", reason: { code: "module-crashed" } });
    else expect(answer).toEqual({ status: "fulfilled", value: [2 * value] });
});

test("work that can't begin in time isn't begun", async () => {
  const { submit, fake } = setup();
  fake.hold();
  const first = submit([1]);
  await settle();
  const late = submit([2], { deadline: performance.now() + 1 });
  late.catch(() => undefined);
  await settle();
  fake.finishAll();
  expect(await first).toEqual([2]);
  await expect(late).rejects.toMatchObject({ code: "deadline-exceeded" });
  expect(fake.batches).toEqual([[1]]);
});

test("a deadline is kept while a run keeps every core, and behind requests that wait longer", async () => {
  const { submit, fake, scheduler } = setup();
  fake.hold();
  const first = submit([1]);
  await settle();
  const patient = submit([2]);
  const urgent = submit([3, 4], { deadline: performance.now() + 50 });
  await expect(urgent).rejects.toMatchObject({ code: "deadline-exceeded", status: 504 });
  const later = submit([5], { deadline: performance.now() + 50 });
  await expect(later).rejects.toMatchObject({ code: "deadline-exceeded" });
  expect(scheduler.queued).toBe(1);
  fake.finishAll();
  expect(await Promise.all([first, patient])).toEqual([[2], [4]]);
  expect(fake.batches).toEqual([[1], [2]]);
});

test("a deadline is kept while the module is being loaded", async () => {
  const { submit, fake, scheduler } = setup();
  const loaded = Promise.withResolvers<void>();
  const load = fake.open.bind(fake);
  fake.open = async (module) => {
    await loaded.promise;
    await load(module);
  };
  const patient = submit([1]);
  const urgent = submit([2], { deadline: performance.now() + 50 });
  const background = submit([3], { deadline: performance.now() + 60, priority: "background" });
  for (const late of await Promise.allSettled([urgent, background]))
    expect(late).toMatchObject({ status: "rejected", reason: { code: "deadline-exceeded" } });
  expect(scheduler.queued).toBe(1);
  loaded.resolve();
  expect(await patient).toEqual([2]);
  expect(fake.batches).toEqual([[1]]);
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

test("an engine that dies of loading is tried once more, then everyone who waits for it is told", async () => {
  const { submit, fake } = setup();
  fake.failOpening(() => new EngineDied({ kind: "crash", code: 1, signal: null, stderr: "" }, "load"));
  const answers = await Promise.allSettled([submit([1]), submit([2])]);
  expect(answers).toMatchObject([
    { status: "rejected", reason: { code: "module-crashed" } },
    { status: "rejected", reason: { code: "module-crashed" } },
  ]);
  expect(fake.opened).toBe(2);
});

test("what would wait too long is refused, and what the others get meanwhile isn't", async () => {
  const fake = new FakeEngines({ runMs: () => 2 });
  engines.push(fake);
  const { submit, scheduler } = schedulerOn(fake, { longestWaitMs: 100 });
  const many = Array.from({ length: 500 }, (_, index) => index);
  // What a run takes is known after some.
  for (let times = 0; times < 30; times++) await submit([1], { batching: "none" });
  fake.hold();
  // 2 ms or more each.
  const long = submit(many, { batching: "none" });
  await settle();
  const single = submit([1], { batching: "none" });
  await expect(submit(many, { batching: "none" })).rejects.toMatchObject({
    code: "too-many-requests",
    status: 429,
  });
  fake.finishAll();
  expect(await single).toEqual([2]);
  expect(await long).toHaveLength(500);
  expect(scheduler.queued).toBe(0);
});
