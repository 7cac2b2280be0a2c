import { expect, test } from "vitest";
import { dropoutMask } from "./dropout.ts";
import { type Counter, type Key, philox, RandomSequence } from "./philox.ts";

test("numbers are those of Random123's known answers", () => {
  // Source: Random123, tests/kat_vectors, "philox4x32 10".
  const answers: [Counter, Key, number[]][] = [
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ];
  for (const [counter, key, numbers] of answers) expect(philox(counter, key)).toEqual(numbers);
});

test("uniform, normal and bounded numbers have the moments that they should", () => {
  const random = new RandomSequence(7, "initialize");
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const draw = (next: () => number) => Array.from({ length: 40_000 }, next);
  const uniform = draw(() => random.uniform());
  expect(mean(uniform)).toBeCloseTo(1 / 2, 2);
  expect(mean(uniform.map((u) => u * u))).toBeCloseTo(1 / 3, 2);
  const normal = draw(() => random.normal());
  expect(Math.abs(mean(normal))).toBeLessThan(0.02);
  expect(Math.abs(mean(normal.map((z) => z * z)) - 1)).toBeLessThan(0.03);
  const counts = new Array<number>(6).fill(0);
  for (const value of draw(() => random.below(6))) counts[value]! += 1;
  for (const count of counts) expect(Math.abs(count / 40_000 - 1 / 6)).toBeLessThan(0.01);
});

test("a mask leaves out its share, keeps the mean, and depends on seed, step and layer alone", () => {
  const spec = { name: "m", width: 301, layer: 2, dropout: 0.3 };
  const at = { seed: 1, step: 10, batch: 64 };
  const { data } = dropoutMask(spec, at);
  const left = data.filter((value) => value === 0).length / data.length;
  expect(Math.abs(left - 0.3)).toBeLessThan(0.01);
  expect(new Set(data)).toEqual(new Set([0, Math.fround(1 / 0.7)]));
  expect(dropoutMask(spec, at).data).toEqual(data);
  expect(dropoutMask(spec, { ...at, batch: 8 }).data).toEqual(data.subarray(0, 8 * 301));
  for (const other of [
    { ...at, seed: 2 },
    { ...at, step: 11 },
  ])
    expect(dropoutMask(spec, other).data).not.toEqual(data);
  expect(dropoutMask({ ...spec, layer: 1 }, at).data).not.toEqual(data);
});
