import type { InputTensor, Signature } from "@modulehub/core";
import { expect, test } from "vitest";
import { checkInputs } from "./inputs.ts";

const signature: Signature = {
  inputs: {
    a: { dtype: "float32", shape: ["batch", 2] },
    b: { dtype: "float32", shape: ["batch"] },
  },
  outputs: { y: { dtype: "float32", shape: ["batch"] } },
};
const floats = (...shape: number[]): InputTensor => ({
  dtype: "float32",
  shape,
  data: new Float32Array(shape.reduce((x, y) => x * y, 1)),
});
const check = (inputs: Record<string, InputTensor>) =>
  checkInputs(signature, new Map(Object.entries(inputs)));

test("inputs that fit give the number of items", () => {
  expect(check({ a: floats(3, 2), b: floats(3) })).toBe(3);
});

test.each([
  ["one is missing", "input-missing", { a: floats(1, 2) }],
  ["one is unknown", "input-unknown", { a: floats(1, 2), b: floats(1), c: floats(1) }],
  ["a rank differs", "tensor-invalid", { a: floats(2), b: floats(1) }],
  ["a fixed size differs", "tensor-invalid", { a: floats(1, 3), b: floats(1) }],
  ["a named size differs between inputs", "tensor-invalid", { a: floats(2, 2), b: floats(3) }],
  [
    "a dtype differs",
    "tensor-invalid",
    { a: floats(1, 2), b: { dtype: "float64", shape: [1], data: new Float64Array(1) } satisfies InputTensor },
  ],
])("inputs are refused when %s", (_, code, inputs: Record<string, InputTensor>) => {
  expect(() => check(inputs)).toThrow(expect.objectContaining({ code }));
});

test("strings with NUL are refused, and strings that are too few for their shape", () => {
  const strings: Signature = { ...signature, inputs: { text: { dtype: "string", shape: ["batch"] } } };
  const run = (shape: number[], data: string[]) =>
    checkInputs(strings, new Map([["text", { dtype: "string", shape, data }]]));
  expect(run([2], ["a", ""])).toBe(2);
  expect(() => run([1], ["a\0"])).toThrow(expect.objectContaining({ code: "tensor-invalid" }));
  expect(() => run([2], ["a"])).toThrow(expect.objectContaining({ code: "tensor-invalid" }));
});

test("a name like one of Object's own is unknown, not found", () => {
  expect(() => check({ a: floats(1, 2), b: floats(1), constructor: floats(1) })).toThrow(
    expect.objectContaining({ code: "input-unknown" }),
  );
});
