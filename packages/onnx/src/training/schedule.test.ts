import { scheduleSettingsSchema } from "@modulehub/core";
import { expect, test } from "vitest";
import { learningRateAt } from "./schedule.ts";

const rates = (schedule: object, steps: number, learningRate = 1): number[] =>
  Array.from({ length: steps }, (_, at) =>
    learningRateAt({ schedule: scheduleSettingsSchema.parse(schedule), learningRate, steps }, at + 1),
  );

test("a constant rate stays, after a warm-up in equal parts", () => {
  expect(rates({ name: "constant" }, 3, 0.5)).toEqual([0.5, 0.5, 0.5]);
  expect(rates({ name: "constant", warmUp: 4 }, 6)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
});

test("a rate in steps falls by its factor after each so many", () => {
  expect(rates({ name: "step", every: 2, factor: 0.5 }, 6)).toEqual([1, 1, 0.5, 0.5, 0.25, 0.25]);
  expect(rates({ name: "step", every: 2, factor: 0.5, warmUp: 1 }, 4)).toEqual([1, 1, 1, 0.5]);
});

test("a cosine goes from the whole rate to the least one", () => {
  const found = rates({ name: "cosine", least: 0.1 }, 5);
  // ½(1 + cos(kπ/4)) for k = 0 … 4, between 1 and 0.1.
  const shares = [1, (2 + Math.SQRT2) / 4, 0.5, (2 - Math.SQRT2) / 4, 0];
  found.forEach((rate, at) => {
    expect(rate).toBeCloseTo(0.1 + 0.9 * shares[at]!, 12);
  });
});
