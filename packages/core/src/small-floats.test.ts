import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import {
  bfloat16FromNumber,
  bfloat16ToNumber,
  type SmallFloat,
  smallFloatCode,
  smallFloatTable,
} from "./small-floats.ts";

// Origin of the numbers in this file: ml_dtypes 0.6.0 with numpy 2.4.6.
// `np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_…).astype("<f8")`, every NaN as 7ff8000000000000.
const TABLE_SHA256: [SmallFloat, string][] = [
  ["float8e4m3fn", "98959cdf4be234fd2c6642943d11510f6dd8cbf68b437ddcb4bf4ca7a004e444"],
  ["float8e4m3fnuz", "10ad41a5ddbd0da6168954bade20482aeedd69e0295ddef42da4703067b24be6"],
  ["float8e5m2", "0ebeb4cd681ba45cb07e8f6b4ab91af1056631d20f320d9f24715be364b12fc9"],
  ["float8e5m2fnuz", "0480d2f04b2d4dad466fe8d5cbdd1b52cb2d952f449d7db61b4baf47d9eb8e34"],
  ["float8e8m0", "a3dfaeaa54eb87b76adef58c843169028fa210a890278990a995026e47364470"],
];

test.each(TABLE_SHA256)("all 256 codes of %s stand for the numbers that ml_dtypes gives", (dtype, sha256) => {
  const bytes = new DataView(new ArrayBuffer(256 * 8));
  for (const [code, value] of smallFloatTable(dtype).entries())
    if (Number.isNaN(value)) bytes.setBigUint64(code * 8, 0x7ff8000000000000n, true);
    else bytes.setFloat64(code * 8, value, true);
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(sha256);
});

test("the 16 codes of float4e2m1 are those of the OCP Microscaling table", () => {
  expect(smallFloatTable("float4e2m1")).toEqual([
    0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6,
  ]);
});

const X = [
  0.1, 0.3, 1.0625, 1.1875, 1.3, 2.5, 3.5, 5, 0.001, 0.002, -0.0009765625, 0.0029296875, 1e-9, -1e-9, -0,
];
const ROUNDED: [SmallFloat, number[]][] = [
  ["float8e4m3fn", [29, 42, 56, 58, 58, 66, 70, 74, 1, 1, 128, 2, 0, 128, 128]],
  ["float8e4m3fnuz", [37, 50, 64, 66, 66, 74, 78, 82, 1, 2, 129, 3, 0, 0, 0]],
  ["float8e5m2", [46, 53, 60, 61, 61, 65, 67, 69, 20, 24, 148, 26, 0, 128, 128]],
  ["float8e5m2fnuz", [50, 57, 64, 65, 65, 69, 71, 73, 24, 28, 152, 30, 0, 0, 0]],
  ["float4e2m1", [0, 1, 2, 2, 3, 4, 6, 6, 0, 0, 8, 0, 0, 8, 8]],
];
test.each(ROUNDED)(
  "numbers round to the nearest %s, ties to even, as ml_dtypes rounds them",
  (dtype, codes) => {
    expect(X.map((value) => smallFloatCode(dtype, value))).toEqual(codes);
  },
);

test("numbers round to the nearest power of two in float8e8m0, ties up, as ml_dtypes rounds them", () => {
  const values = [1, 1.4, 1.5, 3, 6, 2 ** -127, 2 ** 127, 0.001, 1000, 0.75];
  const codes = values.map((value) => smallFloatCode("float8e8m0", value));
  expect(codes).toEqual([127, 127, 128, 129, 130, 0, 254, 117, 137, 127]);
});

test.each<[SmallFloat, number]>([
  ["float8e4m3fn", 449],
  ["float8e4m3fn", Number.POSITIVE_INFINITY],
  ["float8e4m3fnuz", -241],
  ["float8e5m2", 57345],
  ["float4e2m1", 6.5],
  ["float4e2m1", Number.NaN],
  ["float8e8m0", 0],
  ["float8e8m0", -1],
])("%s has no code for %d", (dtype, value) => {
  expect(smallFloatCode(dtype, value)).toBeUndefined();
});

test.each(TABLE_SHA256.map(([dtype]) => dtype))(
  "every number of %s keeps its code, NaN stays NaN",
  (dtype) => {
    const table = smallFloatTable(dtype);
    for (const [code, value] of table.entries()) {
      const back = smallFloatCode(dtype, value);
      if (Number.isNaN(value)) expect(table[back!]).toBeNaN();
      else expect(back).toBe(code);
    }
  },
);

test.each([
  [0.1, 0x3dcd],
  [1.00390625, 0x3f80],
  [1.01171875, 0x3f82],
  [-2.7182817, 0xc02e],
  [3.3895313892515355e38, 0x7f7f],
  [1e-40, 0x0001],
  [65504, 0x4780],
  [Number.POSITIVE_INFINITY, 0x7f80],
  [Number.NEGATIVE_INFINITY, 0xff80],
])("%d becomes the bfloat16 that ml_dtypes makes of it", (value, bits) => {
  expect(bfloat16FromNumber(value)).toBe(bits);
});

test("every bfloat16 keeps its bits, NaN stays NaN", () => {
  for (let bits = 0; bits <= 0xffff; bits++) {
    const value = bfloat16ToNumber(bits);
    if (Number.isNaN(value)) expect(bfloat16ToNumber(bfloat16FromNumber(value))).toBeNaN();
    else if (bfloat16FromNumber(value) !== bits) expect.fail(`${bits} became ${bfloat16FromNumber(value)}`);
  }
});
