import fc from "fast-check";
import { expect, test } from "vitest";
import { DTYPE_NAMES, DTYPES, type Dtype } from "./dtype.ts";
import type { TensorSpec } from "./signature.ts";
import { type Tensor, tensorFromBytes } from "./tensor.ts";
import { tensorFromJson } from "./tensor-from-json.ts";
import { tensorToJson } from "./tensor-to-json.ts";

const spec = (dtype: TensorSpec["dtype"], ...shape: TensorSpec["shape"]): TensorSpec => ({ dtype, shape });
const read = (value: unknown, of: TensorSpec) => tensorFromJson(value, of, "inputs.x");
const INVALID = expect.objectContaining({ code: "tensor-invalid", status: 422 });

test("a nested array becomes a row-major tensor", () => {
  const tensor = read(
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
    spec("float32", "batch", 3),
  );
  expect(tensor).toEqual({ dtype: "float32", shape: [2, 3], data: new Float32Array([1, 2, 3, 4, 5, 6]) });
});

test("data is taken flat or nested where a shape is given", () => {
  const expected = { dtype: "int32", shape: [2, 2], data: new Int32Array([1, 2, 3, 4]) };
  const of = spec("int32", "n", "m");
  expect(read({ dtype: "int32", shape: [2, 2], data: [1, 2, 3, 4] }, of)).toEqual(expected);
  expect(
    read(
      {
        shape: [2, 2],
        data: [
          [1, 2],
          [3, 4],
        ],
      },
      of,
    ),
  ).toEqual(expected);
  expect(
    read(
      {
        data: [
          [1, 2],
          [3, 4],
        ],
      },
      of,
    ),
  ).toEqual(expected);
});

test("scalars and empty tensors are tensors", () => {
  expect(read(5, spec("uint8"))).toEqual({ dtype: "uint8", shape: [], data: new Uint8Array([5]) });
  expect(read({ shape: [], data: [5] }, spec("uint8"))).toMatchObject({ shape: [] });
  expect(read([], spec("string", "batch"))).toEqual({ dtype: "string", shape: [0], data: [] });
  expect(read([[], []], spec("float32", 2, "n"))).toMatchObject({ shape: [2, 0] });
  expect(read({ shape: [0, 3], data: [] }, spec("float32", "n", 3))).toMatchObject({ shape: [0, 3] });
});

// Little-endian bytes, written by hand from the formats' definitions.
test.each<[Dtype, unknown[], number[]]>([
  ["float32", [1, -2, "NaN", "-Infinity"], [0, 0, 128, 63, 0, 0, 0, 192, 0, 0, 192, 127, 0, 0, 128, 255]],
  ["float16", [1, -2, 65504, "Infinity"], [0, 60, 0, 192, 255, 123, 0, 124]],
  ["bfloat16", [1, -2, "NaN"], [128, 63, 0, 192, 192, 127]],
  ["int64", [-1, "9223372036854775807"], [...Array(8).fill(255), ...Array(7).fill(255), 127]],
  ["uint64", ["18446744073709551615", 1], [...Array(8).fill(255), 1, 0, 0, 0, 0, 0, 0, 0]],
  ["bool", [true, false, true], [1, 0, 1]],
  ["int4", [1, -1, -8], [0xf1, 0x08]],
  ["uint4", [1, 15, 8], [0xf1, 0x08]],
  ["uint2", [0, 1, 2, 3, 1], [0b11100100, 1]],
  ["int2", [0, 1, -2, -1, 1], [0b11100100, 1]],
  ["float4e2m1", [0.5, -6, 1.5], [0xf1, 0x03]],
  ["float8e4m3fn", [1, -448, "NaN"], [0x38, 0xfe, 0x7f]],
  ["float8e5m2", [1, "Infinity", "-Infinity"], [0x3c, 0x7c, 0xfc]],
  ["float8e8m0", [1, 2, 0.5], [127, 128, 126]],
])("%s elements become its bits, and come back", (dtype, data, bytes) => {
  const tensor = read(data, spec(dtype, "n"));
  if (tensor.dtype === "image" || tensor.dtype === "string") throw new Error("not a tensor of numbers");
  const { buffer, byteOffset, byteLength } = tensor.data;
  expect([...new Uint8Array(buffer, byteOffset, byteLength)]).toEqual(bytes);
  expect(tensorToJson(tensor)).toEqual({ dtype, shape: [data.length], data });
});

test.each<[string, unknown, TensorSpec, string]>([
  ["a ragged array", [[1, 2], [3]], spec("float32", "n", "m"), "ragged"],
  [
    "a list where a number was",
    [
      [1, 2],
      [3, [4]],
    ],
    spec("float32", "n", "m"),
    "inputs.x[1][1]",
  ],
  ["a number where a list was", [[1, 2], 3], spec("float32", "n", "m"), "ragged"],
  ["another rank", [1, 2], spec("float32", "n", 2), "1 dimensions"],
  ["another size", [[1, 2, 3]], spec("float32", "n", 2), "[1,3]"],
  ["another dtype", { dtype: "int64", data: [1] }, spec("float32", "n"), "float32"],
  [
    "a shape that its nested data contradicts",
    { shape: [2, 1], data: [[1, 2]] },
    spec("int8", 2, 1),
    "[1,2]",
  ],
  ["too little data", { shape: [2, 2], data: [1, 2, 3] }, spec("int8", 2, 2), "[3]"],
  ["a shape of 10^18 elements", { shape: [1e9, 1e9], data: [1] }, spec("int8", "a", "b"), "too many"],
  ["a shape of 10^12 elements", { shape: [1e6, 1e6], data: [1] }, spec("int8", "a", "b"), "[1]"],
  ["a negative dimension", { shape: [-1], data: [1] }, spec("int8", "a"), "integers from 0"],
  ["a shape that is no list", { shape: "1", data: [1] }, spec("int8", "a"), "integers from 0"],
  ["an object", { a: 1 }, spec("int8", "a"), "nested arrays"],
  ["an object in a list", [{ b64: "AA==" }], spec("int8", "a"), "nested arrays"],
  ["null", null, spec("int8"), "integer"],
  ["nothing", undefined, spec("int8"), "integer"],
  ["nesting beyond any rank", JSON.parse("[".repeat(5000) + "]".repeat(5000)), spec("int8", "a"), "deep"],
  ["a fraction for an integer", [1.5], spec("int32", "n"), "inputs.x[0]"],
  ["an integer too large", [256], spec("uint8", "n"), "from 0 to 255"],
  ["an int4 too large", [8], spec("int4", "n"), "from -8 to 7"],
  ["an int64 that JSON has rounded", [2 ** 53], spec("int64", "n"), "decimal string"],
  ["an int64 too large", ["9223372036854775808"], spec("int64", "n"), "int64"],
  ["a negative uint64", [-1], spec("uint64", "n"), "uint64"],
  ["a string that is no number", ["0x10"], spec("int64", "n"), "int64"],
  ["a number in a string", ["1"], spec("float32", "n"), "must be a number"],
  ["a number for a bool", [1], spec("bool", "n"), "true or false"],
  ["a number for a string", ["a", 1], spec("string", "n"), "inputs.x[1]"],
  ["NUL in a string", ["a\0b"], spec("string", "n"), "NUL"],
  ["half a surrogate pair", ["\ud800"], spec("string", "n"), "surrogate"],
  ["a float that float32 would make infinite", [3.5e38], spec("float32", "n"), "float32 holds"],
  ["a float that float16 would make infinite", [65520], spec("float16", "n"), "float16 holds"],
  ["a float beyond bfloat16", [3.4e38], spec("bfloat16", "n"), "bfloat16 holds"],
  ["a float beyond float8", [500], spec("float8e4m3fn", "n"), "float8e4m3fn holds"],
])("%s is refused, and the place and rule are named", (_what, value, of, words) => {
  expect(() => read(value, of)).toThrow(INVALID);
  expect(() => read(value, of)).toThrow(words);
});

test("complex tensors are refused in both directions", () => {
  const UNSUPPORTED = expect.objectContaining({ code: "dtype-unsupported" });
  expect(() => read([1], spec("complex64", "n"))).toThrow(UNSUPPORTED);
  expect(() => tensorToJson({ dtype: "complex64", shape: [1], data: new Float32Array(2) })).toThrow(
    UNSUPPORTED,
  );
});

test("an error names the place inside nested data", () => {
  const value = {
    shape: [2, 2],
    data: [
      [1, 2],
      [3, "x"],
    ],
  };
  expect(() => read(value, spec("float32", 2, 2))).toThrow(
    expect.objectContaining({ errors: [expect.objectContaining({ path: "inputs.x.data[1][1]" })] }),
  );
});

test("images are base64, standard or URL-safe", () => {
  const bytes = new Uint8Array([0xfb, 0xff, 0xfe]);
  const images = read([{ b64: "+//+" }, { b64: "-__-" }], spec("image", "batch"));
  expect(images).toEqual({ dtype: "image", shape: [2], data: [bytes, bytes] });
  expect(read({ b64: "+//+" }, spec("image"))).toEqual({ dtype: "image", shape: [], data: [bytes] });
});

test.each([[""], ["A"], ["AA=A"], ["data:image/png;base64,AAAA"], [7], [null]])("%o is no image", (b64) => {
  expect(() => read([{ b64 }], spec("image", "batch"))).toThrow(INVALID);
  expect(() => read([b64], spec("image", "batch"))).toThrow(INVALID);
});

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });

/** Any tensor of a dtype, made of random bytes; spare bits of the last byte are zero. */
function anyTensor(dtype: Dtype): fc.Arbitrary<Tensor> {
  return shapes.chain((shape) => {
    const count = shape.reduce((product, dimension) => product * dimension, 1);
    if (dtype === "string")
      return fc
        .array(fc.string({ unit: "binary" }), { minLength: count, maxLength: count })
        .map((data) => ({ dtype, shape, data: data.map((text) => text.replaceAll("\0", "")) }));
    const { bits } = DTYPES[dtype];
    const length = Math.ceil((count * bits) / 8);
    return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => {
      const spare = length * 8 - count * bits;
      if (spare > 0) bytes[length - 1]! &= 0xff >> spare;
      if (dtype === "bool") for (const index of bytes.keys()) bytes[index]! &= 1;
      return tensorFromBytes(dtype, shape, bytes);
    });
  });
}

test.each(DTYPE_NAMES.filter((dtype) => !dtype.startsWith("complex")))(
  "any %s tensor survives a trip through JSON text, but for the sign of zeros and the payload of NaNs",
  (dtype) => {
    fc.assert(
      fc.property(anyTensor(dtype), (tensor) => {
        const json = tensorToJson(tensor);
        const text = JSON.stringify(json);
        const back = tensorFromJson(JSON.parse(text), spec(dtype, ...tensor.shape), "x");
        if (back.dtype === "image") throw new Error("not an image");
        expect(JSON.stringify(tensorToJson(back))).toBe(text);
        if (json.data.some((element) => element === 0 || element === "NaN")) return;
        expect(back).toEqual(tensor);
      }),
      { numRuns: 50 },
    );
  },
);
