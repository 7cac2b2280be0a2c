import fc from "fast-check";
import { expect, test } from "vitest";
import { float32Json } from "./float-text.ts";

/** What a reader of JSON makes of the text, in float32. */
const readBack = (data: Float32Array): Float32Array =>
  Float32Array.from(JSON.parse(float32Json(data)), (value) => Number(value));

test.each<[number, string]>([
  [0.1, "0.1"],
  [0.3, "0.3"],
  [-1.5, "-1.5"],
  [0, "0"],
  [-0, "0"],
  [1, "1"],
  [100, "100"],
  [16777216, "16777216"],
  [999999999, "1000000000"],
  [0.5, "0.5"],
  [0.000002, "0.000002"],
  // Neighbours of 1 and 0.1 in float32, by the distance between them: 2^-23, 2^-24, 2^-27.
  [1 + 2 ** -23, "1.0000001"],
  [1 - 2 ** -24, "0.99999994"],
  [Math.fround(0.1) + 2 ** -27, "0.10000001"],
  [Number.NaN, '"NaN"'],
  [Number.POSITIVE_INFINITY, '"Infinity"'],
  [Number.NEGATIVE_INFINITY, '"-Infinity"'],
])("%d is written as %s", (value, text) => {
  expect(float32Json(Float32Array.of(value))).toBe(`[${text}]`);
});

test("every float32 is read back as it was, in no more than 9 digits", () => {
  const bits = fc.uint32Array({ minLength: 1, maxLength: 64 });
  fc.assert(
    fc.property(bits, (words) => {
      const data = new Float32Array(words.buffer, words.byteOffset, words.length);
      // A NaN has no payload in JSON, nor zero a sign.
      expect(readBack(data)).toEqual(Float32Array.from(data, (value) => value + 0));
    }),
    { numRuns: 2000 },
  );
  const usual = fc.float32Array({ minLength: 1, maxLength: 64, noNaN: true, min: -10, max: 10 });
  fc.assert(
    fc.property(usual, (data) => {
      expect(readBack(data)).toEqual(Float32Array.from(data, (value) => value + 0));
      for (const text of float32Json(data).slice(1, -1).split(","))
        if (!text.includes("e"))
          expect(text.replace(/^-?[0.]*/, "").replace(".", "").length).toBeLessThan(10);
    }),
    { numRuns: 2000 },
  );
});

test("lists of any length are one list", () => {
  expect(float32Json(new Float32Array())).toBe("[]");
  const data = Float32Array.from({ length: 10_000 }, (_, index) => (index - 5000) / 7);
  expect(readBack(data)).toEqual(data);
});
