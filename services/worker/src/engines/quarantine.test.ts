import { expect, test } from "vitest";
import { Quarantine } from "./quarantine.ts";

function quarantine() {
  const clock = { now: 1_000_000 };
  const held = new Quarantine({ windowMs: 60_000, firstMs: 10_000, longestMs: 40_000, now: () => clock.now });
  const state = (caller: string) => {
    try {
      held.check("m", caller);
      return "free";
    } catch (error) {
      return (error as { retryAfter: number }).retryAfter;
    }
  };
  return { held, clock, state };
}

test("one caller who repeats a poisonous request holds the module back only for itself", () => {
  const { held, state } = quarantine();
  for (let times = 0; times < 20; times++) held.blame("m", { input: "poison", caller: "eve" });
  expect(state("eve")).toBeGreaterThan(0);
  expect(state("bob")).toBe("free");
});

test("one caller with many poisonous inputs can't disable the module for others either", () => {
  const { held, state } = quarantine();
  for (let times = 0; times < 20; times++) held.blame("m", { input: `poison ${times}`, caller: "eve" });
  expect(state("bob")).toBe("free");
});

test("different callers with different inputs hold it back for everyone, for a while", () => {
  const { held, clock, state } = quarantine();
  held.blame("m", { input: "a", caller: "eve" });
  held.blame("m", { input: "b", caller: "bob" });
  expect(state("ann")).toBe("free");
  held.blame("m", { input: "c", caller: "bob" });
  expect(state("ann")).toBe(10);
  expect(held.held()).toEqual(["m"]);
  clock.now += 10_000;
  expect(state("ann")).toBe("free");
});

test("a module that dies when it is loaded is held back for everyone, longer each time", () => {
  const { held, clock, state } = quarantine();
  const spoil = () => {
    for (let times = 0; times < 3; times++) held.blame("m", { input: "load", caller: "" });
    return state("ann");
  };
  expect(spoil()).toBe(10);
  clock.now += 10_000;
  expect(spoil()).toBe(20);
  clock.now += 20_000;
  expect(spoil()).toBe(40);
  clock.now += 40_000;
  expect(spoil()).toBe(40);
});

test("crashes that lie far apart don't add up", () => {
  const { held, clock, state } = quarantine();
  for (let times = 0; times < 9; times++) {
    held.blame("m", { input: `${times}`, caller: `${times % 2}` });
    clock.now += 31_000;
  }
  expect(state("ann")).toBe("free");
});
