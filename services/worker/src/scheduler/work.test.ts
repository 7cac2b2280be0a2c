import type { Tensor } from "@modulehub/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cut, join, kindOf, lengthOf, MAX_ITEMS, type Proof, split } from "./work.ts";

const proof: Proof = {
  inputs: { ids: 0, scale: "shared" },
  outputs: { ids: 0 },
  pad: { ids: { axis: 1, value: 9 } },
};
const ids = (...rows: number[][]): Tensor => ({
  dtype: "int64",
  shape: [rows.length, rows[0]?.length ?? 0],
  data: BigInt64Array.from(rows.flat().map(BigInt)),
});
const scale = (value: number): Tensor => ({ dtype: "float32", shape: [], data: Float32Array.of(value) });
const item = (row: number[], value = 1) => {
  const feeds = new Map([
    ["ids", ids(row)],
    ["scale", scale(value)],
  ] as const);
  return { feeds, length: lengthOf(feeds, proof) };
};

test("items of different lengths are padded with the proven value", () => {
  const feeds = join([item([1, 2, 3]), item([4])], proof);
  expect(feeds.get("ids")).toEqual(ids([1, 2, 3], [4, 9, 9]));
  expect(feeds.get("scale")).toEqual(scale(1));
});

test("items run together only where what they share is equal", () => {
  const kind = (row: number[], value?: number, of = proof) => kindOf(item(row, value).feeds, of);
  expect(kind([1, 2])).toBe(kind([3]));
  expect(kind([1, 2])).not.toBe(kind([3], 2));
  expect(kind([1, 2], 1, { ...proof, pad: {} })).not.toBe(kind([3], 1, { ...proof, pad: {} }));
  expect(kind([1, 2], 1, { ...proof, inputs: { ids: 0 } })).toBeUndefined();
});

test("without proof a request stays as it came", () => {
  const feeds = new Map([["ids", ids([1], [2])]]);
  expect(cut(feeds, "none")).toEqual([feeds]);
});

test("a request is cut into rows, and inputs that disagree about their number are left whole", () => {
  const feeds = new Map([
    ["ids", ids([1, 2], [3, 4])],
    ["scale", scale(1)],
  ] as const);
  expect(cut(feeds, proof).map((part) => part.get("ids"))).toEqual([ids([1, 2]), ids([3, 4])]);
  const odd = new Map([
    ["ids", ids([1], [2])],
    ["other", ids([1], [2], [3])],
  ] as const);
  const both: Proof = { inputs: { ids: 0, other: 0 }, outputs: {}, pad: {} };
  expect(cut(odd, both)).toEqual([odd]);
});

test("a request of more rows than one may have is refused, and run whole only where nothing is proven", () => {
  const rows = (count: number) =>
    new Map<string, Tensor>([
      ["ids", { dtype: "float32", shape: [count, 1], data: new Float32Array(count) }],
    ]);
  const plain: Proof = { inputs: { ids: 0 }, outputs: { ids: 0 }, pad: {} };
  expect(MAX_ITEMS).toBe(4096);
  expect(cut(rows(4096), plain)).toHaveLength(4096);
  for (const count of [4097, 4_194_304])
    expect(() => cut(rows(count), plain)).toThrow(expect.objectContaining({ code: "invalid-request" }));
  const whole = rows(4097);
  expect(cut(whole, "none")).toEqual([whole]);
});

test("fetches without a row for each item show that the proof is wrong", () => {
  expect(split(new Map([["ids", ids([1], [2])]]), 3, proof)).toBeUndefined();
});

test("what is joined and split again is what it was, for any rows and axis", () => {
  const shapes = fc.record({
    axis: fc.integer({ min: 0, max: 2 }),
    before: fc.integer({ min: 1, max: 3 }),
    after: fc.integer({ min: 1, max: 3 }),
    count: fc.integer({ min: 1, max: 6 }),
  });
  fc.assert(
    fc.property(shapes, ({ axis, before, after, count }) => {
      const any: Proof = { inputs: { x: axis }, outputs: { x: axis }, pad: {} };
      const shape = [before, 1, after];
      shape.splice(1, 1);
      shape.splice(axis, 0, 1);
      const rows = Array.from({ length: count }, (_, row): Tensor => {
        const size = shape.reduce((a, b) => a * b);
        return {
          dtype: "int32",
          shape,
          data: Int32Array.from({ length: size }, (_value, index) => row * 100 + index),
        };
      });
      const joined = join(
        rows.map((row) => ({ feeds: new Map([["x", row]]), length: 1 })),
        any,
      );
      expect(split(joined, count, any)?.map((part) => part.get("x"))).toEqual(rows);
    }),
  );
});
