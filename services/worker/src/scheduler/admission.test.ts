import { expect, test } from "vitest";
import { Admission } from "./admission.ts";

test("work beyond what may wait for a module is refused at once, with the time to come back", () => {
  const admission = new Admission({ moduleMs: 1000, totalMs: 5000 });
  admission.enter("a", 900);
  expect(() => admission.enter("a", 2500)).toThrow(
    expect.objectContaining({ code: "too-many-requests", status: 429, retryAfter: 3 }),
  );
  admission.enter("b", 900);
  admission.leave("a", 900);
  admission.enter("a", 1000);
});

test("all modules together are bounded too", () => {
  const admission = new Admission({ moduleMs: 1000, totalMs: 1500 });
  admission.enter("a", 900);
  expect(() => admission.enter("b", 900)).toThrow(expect.objectContaining({ code: "too-many-requests" }));
});

test("one request alone is let in however long it takes", () => {
  new Admission({ moduleMs: 1000, totalMs: 1500 }).enter("a", 1_000_000);
});

test("estimates follow what runs have really cost", () => {
  const admission = new Admission({ moduleMs: 1000, totalMs: 1500 });
  admission.learn("a", 100, 50);
  expect(admission.estimate("a", 10)).toBe(20);
  for (let times = 0; times < 50; times++) admission.learn("a", 400, 50);
  expect(admission.estimate("a", 10)).toBeCloseTo(80, 1);
});

test("what has left is forgotten", () => {
  const admission = new Admission({ moduleMs: 1000, totalMs: 1500 });
  for (let times = 0; times < 1000; times++) {
    admission.enter("a", 0.1);
    admission.leave("a", 0.1);
  }
  expect(admission.totalMs).toBe(0);
});
