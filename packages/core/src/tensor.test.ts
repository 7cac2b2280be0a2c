import { expect, test } from "vitest";
import { DTYPE_NAMES, DTYPES, dtypeOfCode, dtypeOfWire } from "./dtype.ts";
import { byteLength, elementCount, tensorBytes, tensorFromBytes, zeros } from "./tensor.ts";

const INVALID = expect.objectContaining({ code: "tensor-invalid" });

test("a shape's element count is the product of its dimensions, 1 for a scalar, 0 where one is 0", () => {
  expect(elementCount([])).toBe(1);
  expect(elementCount([2, 3, 4])).toBe(24);
  expect(elementCount([0, 3])).toBe(0);
  expect(elementCount([1e9, 1e9, 0])).toBe(0);
});

test.each([[[1e9, 1e9]], [[-1]], [[1.5]], [[Number.NaN]], [[2 ** 53]], [Array(32).fill(1e300)]])(
  "the shape %j is refused",
  (shape) => {
    expect(() => elementCount(shape)).toThrow(INVALID);
  },
);

test("elements of less than a byte are packed", () => {
  expect(byteLength("int4", 3)).toBe(2);
  expect(byteLength("uint2", 5)).toBe(2);
  expect(byteLength("complex128", 2)).toBe(32);
});

test("bytes become a tensor that shares their memory", () => {
  const bytes = new Uint8Array([0, 0, 128, 63, 0, 0, 0, 192]);
  const tensor = tensorFromBytes("float32", [2], bytes);
  expect(tensor).toEqual({ dtype: "float32", shape: [2], data: new Float32Array([1, -2]) });
  expect(tensor.data).toHaveProperty("buffer", bytes.buffer);
});

test.each(["int16", "float32", "int64", "complex128"] as const)(
  "%s bytes at an odd offset of a Node Buffer are copied to an aligned place",
  (dtype) => {
    const size = byteLength(dtype, 1);
    const body = Buffer.alloc(size + 1);
    body[1] = 7;
    const tensor = tensorFromBytes(dtype, [1], body.subarray(1));
    if (tensor.dtype === "string") throw new Error("not a string tensor");
    expect([...tensorBytes(tensor)]).toEqual([7, ...Array(size - 1).fill(0)]);
  },
);

test("bytes that don't fit the shape are refused, and so are bools beyond 0 and 1", () => {
  expect(() => tensorFromBytes("float32", [2], new Uint8Array(7))).toThrow(INVALID);
  expect(() => tensorFromBytes("float32", [1e9, 1e6], new Uint8Array(8))).toThrow(INVALID);
  expect(() => tensorFromBytes("bool", [2], new Uint8Array([1, 2]))).toThrow(INVALID);
});

test("every dtype has tensors of zeros, also empty ones and scalars", () => {
  for (const dtype of DTYPE_NAMES)
    for (const shape of [[], [0], [3], [2, 0], [2, 3]]) {
      const tensor = zeros(dtype, shape);
      if (tensor.dtype === "string") expect(tensor.data).toEqual(Array(elementCount(shape)).fill(""));
      else expect(tensorBytes(tensor).length).toBe(byteLength(tensor.dtype, elementCount(shape)));
    }
});

test("every dtype is found by its number in onnx.proto and its name in the protocol", () => {
  for (const dtype of DTYPE_NAMES) {
    const { code, wire } = DTYPES[dtype];
    expect(dtypeOfCode(code)).toBe(dtype);
    if (wire !== null) expect(dtypeOfWire(wire)).toBe(dtype);
  }
  expect(new Set(DTYPE_NAMES.map((name) => DTYPES[name].code)).size).toBe(26);
  expect(dtypeOfCode(0)).toBeUndefined();
  expect(dtypeOfWire("constructor")).toBeUndefined();
});
