import { expect, test } from "vitest";
import { codingCosines, encodeWordVectors } from "./word-vector-file.ts";

// By hand: the largest number of row 0 is 1.27, so its scale is 0.01 and its codes 127, -50 and 0.
const table = {
  words: ["the", "naïve"],
  dimensions: 3,
  rows: new Float32Array([1.27, -0.5, 0, 0, 0, 0]),
};

test("a file holds magic, header, words, scales and codes, without gaps", () => {
  const file = Buffer.concat(encodeWordVectors(table));
  const header = '{"words":2,"dimensions":3,"encoding":"int8-row-scale"}';
  const words = Buffer.from("the\nnaïve", "utf8");
  expect(file.toString("latin1", 0, 8)).toBe("MHWV0001");
  expect(file.readUInt32LE(8)).toBe(header.length);
  expect(file.toString("utf8", 12, 12 + header.length)).toBe(header);
  let at = 12 + header.length;
  expect(file.readUInt32LE(at)).toBe(words.length);
  expect(file.subarray(at + 4, at + 4 + words.length)).toEqual(words);
  at += 4 + words.length;
  expect(file.readFloatLE(at)).toBeCloseTo(0.01, 8);
  expect(file.readFloatLE(at + 4)).toBe(0);
  expect([...new Int8Array(file.subarray(at + 8))]).toEqual([127, -50, 0, 0, 0, 0]);
  expect(file.length).toBe(at + 8 + 6);
});

test("the error of the compact form is measured as a cosine", () => {
  expect(codingCosines(table, encodeWordVectors(table)).least).toBeCloseTo(1, 6);
  // 1 and 0.0001 are coded as 127 and 0: cosine 1 / sqrt(1 + 1e-8).
  const flat = { words: ["a"], dimensions: 2, rows: new Float32Array([1, 0.0001]) };
  expect(codingCosines(flat, encodeWordVectors(flat)).least).toBeCloseTo(1 - 0.5e-8, 10);
});

test("a word with a line feed, a number that is not finite and a wrong count are refused", () => {
  expect(() => encodeWordVectors({ words: ["a\nb"], dimensions: 1, rows: new Float32Array(1) })).toThrow(
    /line feed/,
  );
  expect(() =>
    encodeWordVectors({ words: ["a"], dimensions: 1, rows: new Float32Array([Number.NaN]) }),
  ).toThrow(/not finite/);
  expect(() => encodeWordVectors({ words: ["a"], dimensions: 2, rows: new Float32Array(3) })).toThrow(
    /2 numbers/,
  );
});
