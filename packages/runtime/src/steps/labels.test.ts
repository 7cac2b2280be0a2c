import type { LabelsStep, Tensor } from "@modulehub/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseLabels, topLabels } from "./labels.ts";

const step: LabelsStep = { from: "scores", labels: "labels.txt", as: "top" };
const scores = (shape: number[], ...data: number[]): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(data),
});
const bytes = (text: string) => new TextEncoder().encode(text);

test("labels come best first, equal ones in the order of the classes, NaN last", () => {
  const tensor = scores([2, 4], 0.5, 1.5, 0.5, -1, Number.NaN, 0, Number.NEGATIVE_INFINITY, 0);
  const top = topLabels(step, ["a", "b", "c", "d"], tensor);
  expect(top.labels).toEqual({
    dtype: "string",
    shape: [2, 4],
    data: ["b", "a", "c", "d", "b", "d", "c", "a"],
  });
  expect(Array.from(top.scores.data)).toEqual([
    1.5,
    0.5,
    0.5,
    -1,
    0,
    0,
    Number.NEGATIVE_INFINITY,
    Number.NaN,
  ]);
});

test("topK keeps the best, all of them where there are fewer", () => {
  const tensor = scores([1, 3], 1, 3, 2);
  expect(topLabels({ ...step, topK: 2 }, ["a", "b", "c"], tensor).labels.data).toEqual(["b", "c"]);
  expect(topLabels({ ...step, topK: 9 }, ["a", "b", "c"], tensor).scores.shape).toEqual([1, 3]);
});

test("float16 scores are read as numbers", () => {
  const data = new Uint16Array(Float16Array.from([0.25, 0.75]).buffer);
  const top = topLabels(step, ["no", "yes"], { dtype: "float16", shape: [1, 2], data });
  expect(top.labels.data).toEqual(["yes", "no"]);
  expect(Array.from(top.scores.data)).toEqual([0.75, 0.25]);
});

test.each([
  ["another number of classes", scores([1, 2], 1, 2)],
  ["one dimension", scores([3], 1, 2, 3)],
  ["no floats", { dtype: "int32", shape: [1, 3], data: new Int32Array(3) } satisfies Tensor],
])("scores of %s don't fit the labels", (_, tensor) => {
  expect(() => topLabels(step, ["a", "b", "c"], tensor)).toThrow(
    expect.objectContaining({ code: "manifest-mismatch" }),
  );
});

test("a labels file is a class a line, with or without an end of line at its end", () => {
  expect(parseLabels(bytes("tench\r\ngoldfish, Carassius\r\n"))).toEqual(["tench", "goldfish, Carassius"]);
  expect(parseLabels(bytes("a\n\nb"))).toEqual(["a", "", "b"]);
});

test.each([
  ["empty", bytes("")],
  ["not UTF-8", Uint8Array.of(0x61, 0xff, 0xfe)],
  ["of ten million lines", bytes("\n".repeat(10_000_000))],
  ["one very long line", bytes("a".repeat(2000))],
  ["with NUL", bytes("a\0b")],
])("a labels file that is %s is an invalid asset", (_, file) => {
  expect(() => parseLabels(file)).toThrow(expect.objectContaining({ code: "asset-invalid" }));
});

/** Classes in order by sorting all of them: best first, equal ones as they come, NaN last. */
const sorted = (data: Float32Array): number[] =>
  [...data.keys()].sort((a, b) => {
    if (Number.isNaN(data[a]!) !== Number.isNaN(data[b]!)) return Number.isNaN(data[a]!) ? 1 : -1;
    return data[b]! > data[a]! ? 1 : data[b]! < data[a]! ? -1 : a - b;
  });

test("the best of any scores are the first of all of them in order, however many are kept", () => {
  const score = fc.oneof(
    fc.constantFrom(Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 0, -0, 0.5, 1),
    fc.float(),
  );
  fc.assert(
    fc.property(
      fc.array(score, { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 70 }),
      (row, k) => {
        const names = row.map((_, index) => `class ${index}`);
        const tensor = scores([1, row.length], ...row);
        const top = topLabels({ ...step, topK: k }, names, tensor);
        const expected = sorted(tensor.data as Float32Array).slice(0, k);
        expect(top.labels.data).toEqual(expected.map((index) => names[index]));
        expect([...top.scores.data]).toEqual(expected.map((index) => tensor.data[index]));
      },
    ),
  );
});

test("for a few of many classes most are looked at about once, not sorted", () => {
  const classes = 100_000;
  // Neither in order nor in the opposite one; 7919 and the number of classes have no factor in common.
  const row = Float32Array.from({ length: classes }, (_, index) => (index * 7919) % classes);
  let looks = 0;
  const counted = new Proxy(row, {
    get(data, key) {
      if (typeof key === "string" && /^\d+$/.test(key)) looks += 1;
      if (key === "subarray") return () => counted;
      const value: unknown = Reflect.get(data, key, data);
      return typeof value === "function" ? value.bind(data) : value;
    },
  });
  const names = Array.from({ length: classes }, (_, index) => String(row[index]));
  const top = topLabels({ ...step, topK: 3 }, names, {
    dtype: "float32",
    shape: [1, classes],
    data: counted,
  });
  expect(top.labels.data).toEqual(["99999", "99998", "99997"]);
  expect(looks).toBeLessThan(3 * classes);
});
