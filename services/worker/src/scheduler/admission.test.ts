import { expect, test } from "vitest";
import { Admission } from "./admission.ts";

const later = (ms: number) => performance.now() + ms;
const admission = (workMs: number, runningMs = 0, waiting = 100) =>
  new Admission({ workUntilDone: (_caller, ms) => workMs + ms, runningMs: () => runningMs, waiting }, 2, 600);

test("what would wait too long is refused at once, with whole seconds until there should be room", () => {
  // 3,000 ms of one core wait and 1,000 run: 2,000 ms on two cores, 1,400 more than may be.
  expect(() => admission(3000, 1000).check({ caller: "a", deadline: later(60_000) }, 10)).toThrow(
    expect.objectContaining({ code: "too-many-requests", status: 429, retryAfter: 2 }),
  );
  admission(1000, 100).check({ caller: "a", deadline: later(60_000) }, 10);
});

test("what can't be done before its deadline is refused at once", () => {
  const busy = admission(600);
  busy.check({ caller: "a", deadline: later(1000) }, 100);
  expect(() => busy.check({ caller: "a", deadline: later(300) }, 100)).toThrow(
    expect.objectContaining({ code: "too-many-requests", retryAfter: 1 }),
  );
});

test("one request alone is let in however long it takes", () => {
  admission(0).check({ caller: "a", deadline: later(10) }, 1_000_000);
});

test("waits that turn out longer than they were estimated are estimated longer", () => {
  const busy = admission(800);
  busy.check({ caller: "a", deadline: later(60_000) }, 10);
  // 400 ms on two cores were estimated, 700 was what it took.
  for (let times = 0; times < 100; times++) busy.letIn("a", 10)(700);
  expect(busy.waitMs("a", 10)).toBeCloseTo(700, -1);
  expect(() => busy.check({ caller: "a", deadline: later(60_000) }, 10)).toThrow();
});

test("a request that would end just before its deadline is refused, for the estimate may be off", () => {
  const busy = admission(800);
  busy.check({ caller: "a", deadline: later(650) }, 10);
  expect(() => busy.check({ caller: "a", deadline: later(500) }, 10)).toThrow();
});

test("while little has been measured, little is refused", () => {
  const guessed = admission(3000);
  guessed.check({ caller: "a", deadline: later(60_000) }, 10, 0.2);
  expect(() => guessed.check({ caller: "a", deadline: later(60_000) }, 10, 1)).toThrow();
});

test("a few items may wait longer than many", () => {
  // 1,500 ms on two cores.
  admission(3000, 0, 31).check({ caller: "a", deadline: later(60_000) }, 10);
  expect(() => admission(3000, 0, 32).check({ caller: "a", deadline: later(60_000) }, 10)).toThrow();
});
