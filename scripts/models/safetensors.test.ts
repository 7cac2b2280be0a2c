import { expect, test } from "vitest";
import { readSafetensors } from "./safetensors.ts";

function file(header: object, data: Buffer): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

// 1.5 is 3fc00000 and -2 is c0000000 in IEEE 754.
const numbers = Buffer.from("0000c03f000000c0", "hex");

test("float32 tensors are read wherever their bytes lie, and others left out", () => {
  const tensors = readSafetensors(
    file(
      {
        __metadata__: { format: "pt" },
        ids: { dtype: "I64", shape: [1], data_offsets: [8, 16] },
        w: { dtype: "F32", shape: [1, 2], data_offsets: [0, 8] },
      },
      Buffer.concat([numbers, Buffer.alloc(8)]),
    ),
  );
  expect([...tensors.keys()]).toEqual(["w"]);
  expect(tensors.get("w")).toEqual({ dtype: "float32", shape: [1, 2], data: new Float32Array([1.5, -2]) });
});

test("a tensor that reaches beyond the file or doesn't fit its shape is refused", () => {
  const w = (shape: number[], end: number) => ({ w: { dtype: "F32", shape, data_offsets: [0, end] } });
  expect(() => readSafetensors(file(w([3], 12), numbers))).toThrow(/don't fit/);
  expect(() => readSafetensors(file(w([3], 8), numbers))).toThrow(/don't fit/);
});
