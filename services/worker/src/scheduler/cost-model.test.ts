import { expect, test } from "vitest";
import { CostModel } from "./cost-model.ts";

/** A run of one item. */
const single = (length: number, milliseconds: number, cores = 1) =>
  ({ mode: "narrow", cost: length, longest: length, length, milliseconds, cores }) as const;

test("estimates follow what runs have really cost, by length", () => {
  const costs = new CostModel();
  // 3 ms a run and 0.5 ms a token: the line that these lie on.
  for (let times = 0; times < 100; times++) {
    const length = [10, 100, 40, 200][times % 4]!;
    costs.learn("a", single(length, 3 + 0.5 * length));
  }
  expect(costs.runMs("a", "narrow", 10)).toBeCloseTo(8, 0);
  expect(costs.runMs("a", "narrow", 1000) / 503).toBeCloseTo(1, 1);
});

test("short runs alone don't make a long one look endless", () => {
  const costs = new CostModel();
  for (let times = 0; times < 100; times++) costs.learn("a", single(1, 2));
  expect(costs.runMs("a", "narrow", 50_000)).toBeLessThan(1000);
  expect(costs.workMs("a", 50_000, "alone")).toBeLessThan(1000);
  // Noise among short ones is no slope to follow for long.
  costs.learn("a", single(2, 40));
  expect(costs.runMs("a", "narrow", 50_000)).toBeLessThan(1000);
});

test("long runs alone don't make a short one look as long, nor does their noise", () => {
  const costs = new CostModel();
  for (let times = 1; times <= 2000; times++) {
    // As clients with texts of 256 tokens are served: one at a time, and now and then two, to see what that gives.
    const cost = times % 60 === 0 ? 512 : 256;
    costs.learn("a", single(cost, 0.25 * cost * (0.9 + 0.2 * ((times * times * 0.618) % 1))));
    expect(costs.coreMs("a", 20), `after ${times} runs`).toBeLessThan(16);
  }
});

test("an item's work is what runs of late took of the machine, their padding and cores counted", () => {
  const costs = new CostModel();
  // Four items of 8 in 16 ms on two cores: 1 ms of one core a unit of length.
  for (const [cost, length, milliseconds] of [
    [40, 32, 16],
    [80, 64, 32],
  ] as const)
    costs.learn("a", { mode: "wide", cost, longest: cost / 4, length, milliseconds, cores: 2 });
  expect(costs.workMs("a", 4, "alone")).toBeLessThanOrEqual(4);
  expect(costs.workMs("a", 4, "alone")).toBeGreaterThan(3);
});

test("until runs of several have been seen, what one takes counts as shared by a few, whatever its size", () => {
  for (const length of [1, 200]) {
    const costs = new CostModel();
    // Alone on both cores of an idle machine, each as long as the one before.
    for (let times = 0; times < 30; times++)
      costs.learn("a", { mode: "wide", cost: length, longest: length, length, milliseconds: 30, cores: 2 });
    expect(costs.workMs("a", length, "alone")).toBeCloseTo(60, 6);
    // A quarter of 60, but for the hundredth of a millisecond that a unit is thought to take of its own.
    expect(costs.workMs("a", length, "with mates")).toBeCloseTo(15 + 0.75 * 2 * 0.01 * length, 6);
    expect(costs.workMs("a", length / 10, "with mates")).toBeGreaterThan(0);
  }
});

test("runs on an idle machine don't make work beside others look cheap", () => {
  const costs = new CostModel();
  for (let times = 0; times < 40; times++) {
    costs.learn("a", { mode: "wide", cost: 40, longest: 40, length: 40, milliseconds: 4, cores: 2 });
    // Four items of 40 in 64 ms of one core, with a core's share of all else: 0.4 ms a unit.
    costs.learn("a", { mode: "narrow", cost: 160, longest: 40, length: 160, milliseconds: 64, cores: 1 });
  }
  expect(costs.workMs("a", 40, "with mates")).toBeCloseTo(16, 3);
});

test("what a run takes of one core is told by those on one core, else by all that it had", () => {
  const costs = new CostModel();
  for (let times = 0; times < 40; times++)
    costs.learn("a", { mode: "wide", cost: 40, longest: 40, length: 40, milliseconds: 4, cores: 2 });
  expect(costs.coreMs("a", 40)).toBeCloseTo(8, 3);
  for (let times = 0; times < 40; times++) costs.learn("a", single(40, 10));
  expect(costs.coreMs("a", 40)).toBeCloseTo(10, 3);
});

test("one run that was stalled hardly changes the estimate", () => {
  const costs = new CostModel();
  for (let times = 0; times < 50; times++) costs.learn("a", single(10, 5));
  costs.learn("a", single(10, 5000));
  expect(costs.workMs("a", 10, "alone")).toBeLessThan(8);
  expect(costs.runMs("a", "narrow", 10)).toBeLessThan(8);
});
