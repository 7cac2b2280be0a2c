import { expect, test } from "vitest";
import { byteSize, count, day, plural } from "./quantity.ts";

test("sizes have three digits in powers of a thousand", () => {
  expect([0, 1, 999, 1000, 9994, 9995, 99_950, 999_499, 999_500, 1.5e9, 2e15].map(byteSize)).toEqual([
    "0 bytes",
    "1 byte",
    "999 bytes",
    "1.00 kB",
    "9.99 kB",
    "10.0 kB",
    "100 kB",
    "999 kB",
    "1.00 MB",
    "1.50 GB",
    "2000 TB",
  ]);
});

test("counts, words and days are spelled as in English", () => {
  expect(count(1234567)).toBe("1,234,567");
  expect([plural(1, "file"), plural(0, "file"), plural(1200, "file")]).toEqual([
    "1 file",
    "0 files",
    "1,200 files",
  ]);
  expect(day("2026-11-23T23:59:59.999Z")).toBe("23 November 2026");
});
