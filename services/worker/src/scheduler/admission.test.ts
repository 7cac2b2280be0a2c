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

test("estimates follow what runs have really cost, by length", () => {
  const admission = new Admission({ moduleMs: 1000, totalMs: 1500 });
  // 3 ms a run and 0.5 ms a token: the line that these lie on.
  for (let times = 0; times < 100; times++) {
    const length = [10, 100, 40, 200][times % 4]!;
    admission.learn("a", 3 + 0.5 * length, length);
  }
  expect(admission.estimate("a", 10)).toBeCloseTo(8, 3);
  expect(admission.estimate("a", 1000)).toBeCloseTo(503, 1);
});

test("short runs alone don't make a long one look endless", () => {
  const admission = new Admission({ moduleMs: 1000, totalMs: 1500 });
  for (let times = 0; times < 100; times++) admission.learn("a", 2, 1);
  expect(admission.estimate("a", 50_000)).toBeLessThan(1000);
  // Noise among short ones is no slope to follow for long.
  admission.learn("a", 40, 2);
  expect(admission.estimate("a", 50_000)).toBeLessThan(1000);
});

test("what has left is forgotten", () => {
  const admission = new Admission({ moduleMs: 1000, totalMs: 1500 });
  for (let times = 0; times < 1000; times++) {
    admission.enter("a", 0.1);
    admission.leave("a", 0.1);
  }
  expect(admission.totalMs).toBe(0);
});
