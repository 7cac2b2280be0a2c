import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tensorBytes } from "@modulehub/core";
import { expect, test } from "vitest";
import { type ByteSource, lazyBytes, openSource } from "./byte-source.ts";
import { decodeModel, makeMessage } from "./decode.ts";
import { encodeMessage, encodeModel, modelBytes, writeModel } from "./encode.ts";
import { cutOutputs } from "./graph-editor.ts";
import { readModel } from "./model-summary.ts";
import type { ModelProto } from "./schema.ts";
import { tensorFromProto, tensorToProto } from "./tensor-proto.ts";
import { PYTHON_MODEL } from "./test-python-model.ts";
import { tensorValue } from "./value-type.ts";

test("a model of Python's onnx is summarised as Python made it", () => {
  const summary = readModel(PYTHON_MODEL);
  expect(summary).toEqual({
    irVersion: 14,
    opsets: { "": 21, "ai.onnx.ml": 3 },
    producer: "gold",
    description: "",
    inputs: [{ name: "x", type: "float32", shape: ["batch", 2, null] }],
    outputs: [
      { name: "z", type: "float32", shape: null },
      { name: "q", type: "sequence", shape: null, description: "sequence(map(int64, float32))" },
    ],
    nodes: 2,
    operators: { Identity: 1, Mul: 1 },
    // 2 + 3 + 2 + 1 + 1 + 2 + 2 + 2 + 1 + 4 + 3
    parameters: 23,
    // 8 + 3 + 16 + 8 + 8 + 4 + 2 + strings as written (2+2 and 2+0 bytes) + 2 + 16 + 2
    parameterBytes: 75,
    externalData: [],
    metadata: Object.fromEntries([["__proto__", "v"]]),
  });
});

test("tensors of every form are read as Python wrote them", () => {
  const tensors = new Map(decodeModel(PYTHON_MODEL).graph?.initializer.map((proto) => [proto.name, proto]));
  const read = (name: string) => {
    const proto = tensors.get(name);
    if (!proto) throw new Error(`no tensor ${name}`);
    const tensor = tensorFromProto(proto);
    return [tensor.dtype, tensor.shape, [...tensor.data]];
  };
  expect(read("f32")).toEqual(["float32", [2], [1.5, -2]]);
  expect(read("i8")).toEqual(["int8", [3], [-1, 0, 127]]);
  expect(read("i64")).toEqual(["int64", [2], [-1n, 2n ** 62n]]);
  expect(read("u64")).toEqual(["uint64", [1], [2n ** 64n - 1n]]);
  expect(read("f64")).toEqual(["float64", [1], [0.1]]);
  expect(read("f16")).toEqual(["float16", [2], [0x3c00, 0x7bff]]);
  expect(read("b")).toEqual(["bool", [2], [1, 0]]);
  expect(read("s")).toEqual(["string", [2], ["ä", ""]]);
  expect(read("bf")).toEqual(["bfloat16", [1], [0x3f80]]);
  expect(read("raw")).toEqual(["int32", [2, 2], [1, 2, 3, 4]]);
  // Two's complement, low nibble first: 1, -2 → 0xe1; 3 → 0x03.
  expect(read("i4")).toEqual(["int4", [3], [0xe1, 0x03]]);
});

test("a tensor goes into a graph and comes out the same", () => {
  const tensor = { dtype: "float32", shape: [2, 1], data: Float32Array.of(0.1, -3) } as const;
  const back = tensorFromProto(tensorToProto("t", { ...tensor, shape: [2, 1] }));
  expect([back.dtype, back.shape, [...back.data]]).toEqual(["float32", [2, 1], [...tensor.data]]);
  expect(tensorBytes({ ...tensor, shape: [2, 1] }).length).toBe(8);
});

test("inputs that have an initializer are defaults, and operators inside branches are counted", () => {
  const branch = makeMessage("GraphProto", {
    node: [makeMessage("NodeProto", { opType: "Relu", output: ["r"] })],
  });
  const attribute = [makeMessage("AttributeProto", { name: "then_branch", g: branch })];
  const model = makeMessage("ModelProto", {
    graph: makeMessage("GraphProto", {
      node: [
        makeMessage("NodeProto", { opType: "If", attribute }),
        makeMessage("NodeProto", { opType: "Relu" }),
      ],
      input: [tensorValue("x", "float32", [1]), tensorValue("w", "float32", [1])],
      initializer: [tensorToProto("w", { dtype: "float32", shape: [1], data: new Float32Array(1) })],
    }),
    functions: [
      makeMessage("FunctionProto", { node: [makeMessage("NodeProto", { domain: "d", opType: "F" })] }),
    ],
  });
  const summary = readModel(modelBytes(model));
  expect(summary.inputs.map((input) => input.name)).toEqual(["x"]);
  expect(summary.operators).toEqual({ Relu: 2, If: 1, "d::F": 1 });
});

/** A chain of 100 products with weights of 10 MiB each, written as a file with holes where the weights are. */
function writeLargeModel(path: string): ModelProto {
  const size = 10 * 2 ** 20;
  const holes: ByteSource = { size, read: (_, length) => new Uint8Array(length) };
  const names = Array.from({ length: 100 }, (_, index) => `w${index}`);
  const model = makeMessage("ModelProto", {
    irVersion: 9n,
    opsetImport: [makeMessage("OperatorSetIdProto", { version: 20n })],
    graph: makeMessage("GraphProto", {
      node: names.map((name, index) =>
        makeMessage("NodeProto", {
          opType: "Mul",
          input: [index ? `y${index - 1}` : "x", name],
          output: [`y${index}`],
        }),
      ),
      initializer: names.map((name) =>
        makeMessage("TensorProto", {
          name,
          dims: [BigInt(size / 4)],
          dataType: 1,
          rawData: { source: holes, offset: 0, length: size },
        }),
      ),
      input: [tensorValue("x", "float32", [size / 4])],
      output: [tensorValue("y99", "float32", [size / 4])],
    }),
  });
  const file = openSync(path, "w");
  let position = 0;
  for (const piece of encodeMessage("ModelProto", model)) {
    if (piece instanceof Uint8Array) writeSync(file, piece, 0, piece.length, position);
    position += piece.length;
  }
  ftruncateSync(file, position);
  closeSync(file);
  return model;
}

test("of a model of 1 GB less than a thousandth is read", () => {
  const folder = mkdtempSync(join(tmpdir(), "modulehub-onnx-"));
  try {
    const path = join(folder, "large.onnx");
    writeLargeModel(path);
    using file = openSource(path);
    expect(file.size).toBeGreaterThan(1000 * 2 ** 20);
    let read = 0;
    const counted: ByteSource = {
      size: file.size,
      read: (offset, length) => {
        read += length;
        return file.read(offset, length);
      },
    };
    const summary = readModel(counted);
    expect([summary.nodes, summary.parameters, summary.parameterBytes]).toEqual([100, 262144000, 1048576000]);
    expect(read).toBeLessThan(file.size / 1000);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a large model is cut and written in chunks of 1 MiB at most", () => {
  const folder = mkdtempSync(join(tmpdir(), "modulehub-onnx-"));
  try {
    const path = join(folder, "large.onnx");
    writeLargeModel(path);
    using file = openSource(path);
    const cut = cutOutputs(decodeModel(file), ["y2"]);
    let largest = 0;
    let total = 0;
    for (const chunk of encodeModel(cut)) {
      largest = Math.max(largest, chunk.length);
      total += chunk.length;
    }
    expect(largest).toBe(2 ** 20);
    const target = join(folder, "cut.onnx");
    const descriptor = openSync(target, "w");
    expect(writeModel(cut, descriptor)).toBe(total);
    closeSync(descriptor);
    expect(statSync(target).size).toBe(total);
    using back = openSource(target);
    expect(readModel(back).parameters).toBe((3 * 10 * 2 ** 20) / 4);
    expect(lazyBytes(decodeModel(back).graph?.initializer[0]?.rawData ?? new Uint8Array(0)).length).toBe(
      10 * 2 ** 20,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
