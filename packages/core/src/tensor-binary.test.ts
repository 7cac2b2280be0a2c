import { expect, test } from "vitest";
import type { TensorSpec } from "./signature.ts";
import { binaryBytes, type Tensor } from "./tensor.ts";
import {
  type BinaryRequest,
  binaryRequestSchema,
  inputsFromBinary,
  outputsToBinary,
} from "./tensor-binary.ts";

const spec = (dtype: TensorSpec["dtype"], ...shape: TensorSpec["shape"]): TensorSpec => ({ dtype, shape });
const input = (name: string, datatype: string, shape: number[], size?: number | string, data?: unknown) => ({
  name,
  datatype,
  shape,
  ...(size !== undefined && { parameters: { binary_data_size: size } }),
  ...(data !== undefined && { data }),
});
const request = (...inputs: BinaryRequest["inputs"]): BinaryRequest => ({ inputs });

// The layout of the examples in KServe's "Binary Tensor Data Extension": a UINT32 and a BOOL tensor in turn,
// BYTES elements with a u32 length each; the bytes are written by hand.
test("tensors lie one after the other behind the header, in its order", () => {
  const header = binaryRequestSchema.parse({
    model_name: "mymodel",
    inputs: [
      input("input0", "UINT32", [2, 2], 16),
      input("input1", "BOOL", [3], 3),
      input("text", "BYTES", [2], 11),
    ],
    outputs: [{ name: "output0", parameters: { binary_data: true } }],
  });
  // biome-ignore format: a line for each tensor
  const bytes = new Uint8Array([
    1, 0, 0, 0,  2, 0, 0, 0,  3, 0, 0, 0,  0, 0, 0, 128,
    1, 0, 1,
    3, 0, 0, 0, 0x61, 0xc3, 0xa4,  0, 0, 0, 0,
  ]);
  const specs = { input0: spec("uint32", "n", 2), input1: spec("bool", 3), text: spec("string", "n") };
  expect(inputsFromBinary(header, bytes, specs)).toEqual(
    new Map<string, Tensor>([
      ["input0", { dtype: "uint32", shape: [2, 2], data: new Uint32Array([1, 2, 3, 2 ** 31]) }],
      ["input1", { dtype: "bool", shape: [3], data: new Uint8Array([1, 0, 1]) }],
      ["text", { dtype: "string", shape: [2], data: ["aä", ""] }],
    ]),
  );
});

test("inputs may stand in the header as JSON beside binary ones", () => {
  const header = request(input("a", "FP32", [2], undefined, [1, 2]), input("b", "INT8", [1], 1));
  const inputs = inputsFromBinary(header, new Uint8Array([255]), {
    a: spec("float32", 2),
    b: spec("int8", 1),
  });
  expect(inputs.get("a")).toEqual({ dtype: "float32", shape: [2], data: new Float32Array([1, 2]) });
  expect(inputs.get("b")).toEqual({ dtype: "int8", shape: [1], data: new Int8Array([-1]) });
});

test("an encoded image is an element of BYTES, any bytes allowed", () => {
  const inputs = inputsFromBinary(
    request(input("i", "BYTES", [1], 7)),
    new Uint8Array([3, 0, 0, 0, 0xff, 0, 0xd8]),
    {
      i: spec("image", "batch"),
    },
  );
  expect(inputs.get("i")).toEqual({ dtype: "image", shape: [1], data: [new Uint8Array([0xff, 0, 0xd8])] });
});

test("a byte order mark stays part of its text", () => {
  const bytes = binaryBytes({ dtype: "string", shape: [1], data: ["\ufeffa"] });
  expect([...bytes]).toEqual([4, 0, 0, 0, 0xef, 0xbb, 0xbf, 0x61]);
  const inputs = inputsFromBinary(request(input("t", "BYTES", [1], 8)), bytes, { t: spec("string", 1) });
  expect(inputs.get("t")).toMatchObject({ data: ["\ufeffa"] });
});

test("small numbers travel as their bits", () => {
  const bits = new Uint8Array([0xf1, 0x08]);
  for (const [dtype, name] of [
    ["int4", "INT4"],
    ["float4e2m1", "FP4E2M1"],
  ] as const) {
    const inputs = inputsFromBinary(request(input("x", name, [3], 2)), bits, { x: spec(dtype, 3) });
    expect(inputs.get("x")).toEqual({ dtype, shape: [3], data: bits });
    const answer = outputsToBinary(new Map([["y", { dtype, shape: [3], data: bits }]]), {}, () => true);
    expect(answer.chunks).toEqual([bits]);
  }
});

test.each<[string, BinaryRequest, number[], string]>([
  [
    "a name that the signature lacks",
    request(input("__proto__", "FP32", [1], 4)),
    [0, 0, 0, 0],
    "input-unknown",
  ],
  [
    "an input given twice",
    request(input("f", "FP32", [0], 0), input("f", "FP32", [0], 0)),
    [],
    "tensor-invalid",
  ],
  ["another datatype", request(input("f", "FP64", [1], 8)), Array(8).fill(0), "tensor-invalid"],
  ["an unknown datatype", request(input("f", "constructor", [1], 8)), Array(8).fill(0), "tensor-invalid"],
  ["neither data nor a size", request(input("f", "FP32", [1])), [], "tensor-invalid"],
  ["a size beyond the body", request(input("f", "FP32", [1], 4)), [0, 0, 0], "tensor-invalid"],
  ["a size that is no number", request(input("f", "FP32", [1], "4")), [0, 0, 0, 0], "tensor-invalid"],
  ["a negative size", request(input("f", "FP32", [1], -4)), [0, 0, 0, 0], "tensor-invalid"],
  ["a size that the shape contradicts", request(input("f", "FP32", [2], 4)), [0, 0, 0, 0], "tensor-invalid"],
  [
    "a shape far larger than the bytes",
    request(input("f", "FP32", [1e12], 4)),
    [0, 0, 0, 0],
    "tensor-invalid",
  ],
  ["another rank", request(input("f", "FP32", [1, 1], 4)), [0, 0, 0, 0], "tensor-invalid"],
  ["bytes that no input claims", request(input("f", "FP32", [0], 0)), [0], "tensor-invalid"],
  ["more strings than bytes", request(input("s", "BYTES", [1e12], 4)), [0, 0, 0, 0], "tensor-invalid"],
  [
    "a string beyond its tensor",
    request(input("s", "BYTES", [1], 5)),
    [255, 255, 255, 255, 0],
    "tensor-invalid",
  ],
  [
    "a length cut short",
    request(input("s", "BYTES", [2], 9)),
    [4, 0, 0, 0, 97, 97, 97, 97, 0],
    "tensor-invalid",
  ],
  ["bytes after the last string", request(input("s", "BYTES", [1], 5)), [0, 0, 0, 0, 0], "tensor-invalid"],
  ["a string that is not UTF-8", request(input("s", "BYTES", [1], 5)), [1, 0, 0, 0, 0xff], "tensor-invalid"],
  ["a string with NUL", request(input("s", "BYTES", [1], 5)), [1, 0, 0, 0, 0], "tensor-invalid"],
])("%s is refused", (_what, header, bytes, code) => {
  const specs = { f: spec("float32", "n"), s: spec("string", "n") };
  expect(() => inputsFromBinary(header, new Uint8Array(bytes), specs)).toThrow(
    expect.objectContaining({ code }),
  );
});

test("an answer has its binary outputs behind the header and the others in it", () => {
  const outputs = new Map<string, Tensor>([
    ["label", { dtype: "string", shape: [2], data: ["ä", ""] }],
    ["score", { dtype: "float32", shape: [1], data: new Float32Array([1]) }],
    ["count", { dtype: "int64", shape: [2], data: new BigInt64Array([1n, -(2n ** 63n)]) }],
  ]);
  const { header, chunks } = outputsToBinary(outputs, { model_name: "m" }, (name) => name !== "count");
  expect(JSON.parse(new TextDecoder().decode(header))).toEqual({
    model_name: "m",
    outputs: [
      { name: "label", shape: [2], datatype: "BYTES", parameters: { binary_data_size: 10 } },
      { name: "score", shape: [1], datatype: "FP32", parameters: { binary_data_size: 4 } },
      { name: "count", shape: [2], datatype: "INT64", data: [1, "-9223372036854775808"] },
    ],
  });
  expect(chunks.map((chunk) => [...chunk])).toEqual([
    [2, 0, 0, 0, 0xc3, 0xa4, 0, 0, 0, 0],
    [0, 0, 128, 63],
  ]);
});

test("complex outputs are refused", () => {
  const outputs = new Map<string, Tensor>([
    ["y", { dtype: "complex64", shape: [0], data: new Float32Array() }],
  ]);
  expect(() => outputsToBinary(outputs, {}, () => true)).toThrow(
    expect.objectContaining({ code: "dtype-unsupported" }),
  );
});
